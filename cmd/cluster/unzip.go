package main

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxUnzipped is how much a function may unpack to, in bytes, as on Lambda.
const maxUnzipped = 250 << 20

// unzip unpacks a zip file into a folder, which it makes. Links are left out; files that are executable stay so.
func unzip(file, to string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }()
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	left := int64(maxUnzipped)
	for _, f := range z.File {
		if left, err = unzipFile(root, f, left); err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
	}
	return nil
}

// unzipFile unpacks one file, of at most so many bytes, and returns how many are left. The root keeps it inside.
func unzipFile(root *os.Root, f *zip.File, left int64) (int64, error) {
	name := filepath.FromSlash(f.Name)
	switch mode := f.Mode(); {
	case mode.IsDir():
		return left, root.MkdirAll(filepath.Clean(name), 0o700)
	case !mode.IsRegular():
		return left, nil
	}
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return left, err
	}
	in, err := f.Open()
	if err != nil {
		return left, err
	}
	defer func() { _ = in.Close() }()
	out, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600|f.Mode().Perm()&0o100)
	if err != nil {
		return left, err
	}
	n, err := io.Copy(out, io.LimitReader(in, left+1))
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil && n > left {
		err = fmt.Errorf("the function has more than %d bytes", maxUnzipped)
	}
	return left - n, err
}
