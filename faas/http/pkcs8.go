package http

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // keys of old tools are encrypted so
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // the default pseudo-random function of PBKDF2 in PKCS#5
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
)

// The forms of RFC 8018 (PKCS#5) and RFC 5958 (PKCS#8).
type (
	encryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2Params struct {
		KDF, Cipher pkix.AlgorithmIdentifier
	}
	pbkdf2Params struct {
		Salt       []byte
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}

	prfs = map[string]func() hash.Hash{
		"":                    sha1.New,
		"1.2.840.113549.2.7":  sha1.New,
		"1.2.840.113549.2.9":  sha256.New,
		"1.2.840.113549.2.10": sha512.New384,
		"1.2.840.113549.2.11": sha512.New,
		"1.2.840.113549.2.8":  sha256.New224,
		"1.2.840.113549.2.13": sha512.New512_256,
	}
	ciphers = map[string]struct {
		keyLen int
		block  func([]byte) (cipher.Block, error)
	}{
		"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher},
		"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
		"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher},
		"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher}, //nolint:gosec // see the import
	}
)

const maxIterations = 10_000_000 // of PBKDF2; some seconds

var errPassword = errors.New("the password is wrong, or the key is damaged")

// decryptPKCS8 opens an encrypted PKCS#8 key (PBES2 with PBKDF2 and AES-CBC or triple DES, as openssl writes them).
func decryptPKCS8(der, password []byte) ([]byte, error) {
	var key encryptedKey
	if err := unmarshal(der, &key); err != nil {
		return nil, fmt.Errorf("not an encrypted PKCS#8 key: %w", err)
	}
	if !key.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, unsupported("encryption", key.Algorithm.Algorithm)
	}
	var scheme pbes2Params
	if err := unmarshal(key.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, fmt.Errorf("parameters of PBES2: %w", err)
	}
	c, ok := ciphers[scheme.Cipher.Algorithm.String()]
	if !ok {
		return nil, unsupported("cipher", scheme.Cipher.Algorithm)
	}
	secret, err := deriveKey(scheme.KDF, password, c.keyLen)
	if err != nil {
		return nil, err
	}
	block, err := c.block(secret)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if err := unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != block.BlockSize() {
		return nil, errors.New("bad initialization vector")
	}
	return decryptCBC(block, iv, key.Data)
}

func deriveKey(kdf pkix.AlgorithmIdentifier, password []byte, keyLen int) ([]byte, error) {
	if !kdf.Algorithm.Equal(oidPBKDF2) {
		return nil, unsupported("key derivation", kdf.Algorithm)
	}
	var p pbkdf2Params
	if err := unmarshal(kdf.Parameters.FullBytes, &p); err != nil {
		return nil, fmt.Errorf("parameters of PBKDF2: %w", err)
	}
	prf, ok := prfs[p.PRF.Algorithm.String()]
	if !ok {
		return nil, unsupported("pseudo-random function", p.PRF.Algorithm)
	}
	if p.Iterations < 1 || p.Iterations > maxIterations || (p.KeyLength != 0 && p.KeyLength != keyLen) {
		return nil, fmt.Errorf("parameters of PBKDF2: %d iterations, key of %d bytes", p.Iterations, p.KeyLength)
	}
	return pbkdf2.Key(prf, string(password), p.Salt, p.Iterations, keyLen)
}

func decryptCBC(block cipher.Block, iv, data []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(data) == 0 || len(data)%size != 0 {
		return nil, errPassword
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > size {
		return nil, errPassword
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return nil, errPassword
		}
	}
	out = out[:len(out)-pad]
	if _, err := x509.ParsePKCS8PrivateKey(out); err != nil {
		return nil, errPassword
	}
	return out, nil
}

func unmarshal(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = errors.New("bytes behind the end")
	}
	return err
}

func unsupported(what string, oid asn1.ObjectIdentifier) error {
	return fmt.Errorf("%s %v is not supported; convert the key with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEWKEY", what, oid)
}
