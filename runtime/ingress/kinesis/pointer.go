package kinesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// pointer is a JSON pointer (RFC 6901), split and unescaped.
type pointer []string

func parsePointer(text string) (pointer, error) {
	var p pointer
	for _, part := range strings.Split(text, "/")[1:] {
		rest := strings.ReplaceAll(strings.ReplaceAll(part, "~0", ""), "~1", "")
		if strings.Contains(rest, "~") {
			return nil, fmt.Errorf("key pointer %q: ~ stands for itself as ~0 and for / as ~1", text)
		}
		p = append(p, strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"))
	}
	return p, nil
}

func (p pointer) String() string {
	var b strings.Builder
	for _, part := range p {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(part, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

var errNotThere = errors.New("nothing is there")

// find reads the text or number in JSON that p points to. Of members with the same name the first counts.
func (p pointer) find(data []byte) (string, error) {
	if !json.Valid(data) {
		return "", errors.New("the value is not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for _, part := range p {
		if err := descend(d, part); err != nil {
			return "", fmt.Errorf("key pointer %s: %w", p, err)
		}
	}
	t, err := d.Token()
	if err != nil {
		return "", fmt.Errorf("key pointer %s: %w", p, err)
	}
	switch v := t.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	}
	return "", fmt.Errorf("key pointer %s: want a text or a number there", p)
}

// descend goes from before a value to before the part of it.
func descend(d *json.Decoder, part string) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		return member(d, part)
	case json.Delim('['):
		return element(d, part)
	}
	return errNotThere
}

func member(d *json.Decoder, name string) error {
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		if t == name {
			return nil
		}
		if err := skip(d); err != nil {
			return err
		}
	}
	return errNotThere
}

func element(d *json.Decoder, index string) error {
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 || strconv.Itoa(n) != index {
		return errNotThere
	}
	for ; d.More(); n-- {
		if n == 0 {
			return nil
		}
		if err := skip(d); err != nil {
			return err
		}
	}
	return errNotThere
}

// skip reads one value, however deep, without building it.
func skip(d *json.Decoder) error {
	var v json.RawMessage
	return d.Decode(&v)
}
