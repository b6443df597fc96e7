package http

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// newTLS reads the files that cfg names.
func newTLS(cfg *Config) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TrustCACerts != "" {
		bundle, err := readLocation(cfg.TrustCACerts)
		if err != nil {
			return nil, fmt.Errorf("trust_cacerts: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(bundle) {
			return nil, fmt.Errorf("trust_cacerts: %s holds no PEM certificate", cfg.TrustCACerts)
		}
	}
	if cfg.ClientCert == "" {
		return t, nil
	}
	cert, err := clientCertificate(cfg)
	if err != nil {
		return nil, err
	}
	t.Certificates = []tls.Certificate{cert}
	return t, nil
}

func clientCertificate(cfg *Config) (tls.Certificate, error) {
	certs, err := readLocation(cfg.ClientCert)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_cert: %w", err)
	}
	key, err := readLocation(cfg.ClientKey)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_key: %w", err)
	}
	var password []byte
	if cfg.ClientKeyPassword != "" {
		if password, err = readLocation(cfg.ClientKeyPassword); err != nil {
			return tls.Certificate{}, fmt.Errorf("client_key_password: %w", err)
		}
		password = bytes.TrimRight(password, "\r\n")
	}
	if key, err = plainKey(key, password); err != nil {
		return tls.Certificate{}, fmt.Errorf("client_key: %s: %w", cfg.ClientKey, err)
	}
	cert, err := tls.X509KeyPair(certs, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_cert %s and client_key %s: %w", cfg.ClientCert, cfg.ClientKey, err)
	}
	return cert, nil
}

// plainKey returns a PEM key that needs no password.
func plainKey(key, password []byte) ([]byte, error) {
	for rest := key; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return key, nil
		}
		if block.Headers["DEK-Info"] != "" {
			return nil, errors.New("is encrypted in the old PEM form; convert it with: openssl pkcs8 -topk8 -in KEY -out NEWKEY")
		}
		if block.Type != "ENCRYPTED PRIVATE KEY" {
			continue
		}
		if len(password) == 0 {
			return nil, errors.New("is encrypted: client_key_password must name a file with its password")
		}
		der, err := decryptPKCS8(block.Bytes, password)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	}
}

// readLocation reads a file named as module files do.
func readLocation(location string) ([]byte, error) {
	if strings.HasPrefix(location, "classpath:") {
		return nil, fmt.Errorf("%s: there is no class path here; give the path of a file", location)
	}
	path := strings.TrimPrefix(location, "file:")
	if strings.HasPrefix(path, "///") {
		path = path[2:]
	}
	return os.ReadFile(path)
}
