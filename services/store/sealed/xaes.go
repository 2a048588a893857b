package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
)

// A row is sealed with XAES-256-GCM (https://c2sp.org/XAES-256-GCM): AES-256-GCM under a key that is derived for each row, by the
// key derivation of NIST SP 800-108r1 with CMAC, from the data key and the first half of a random nonce of 24 bytes. So one data
// key may seal any number of rows, where plain AES-GCM with random nonces must stop at 2^32.

const (
	keySize   = 32
	nonceSize = 24
	tagSize   = 16
)

// sealer seals and opens with one key. It may be used by many goroutines.
type sealer struct {
	block cipher.Block
	// k1 is the first subkey of CMAC.
	k1 [aes.BlockSize]byte
}

var errKeySize = errors.New("a key has 32 bytes")

func newSealer(key []byte) (*sealer, error) {
	if len(key) != keySize {
		return nil, errKeySize
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	s := &sealer{block: block}
	block.Encrypt(s.k1[:], s.k1[:])
	var carry byte
	for i := len(s.k1) - 1; i >= 0; i-- {
		s.k1[i], carry = s.k1[i]<<1|carry, s.k1[i]>>7
	}
	s.k1[len(s.k1)-1] ^= carry * 0x87
	return s, nil
}

// derived is AES-256-GCM under the key for the first half of a nonce.
func (s *sealer) derived(nonce []byte) (cipher.AEAD, error) {
	var key [keySize]byte
	for i := range 2 {
		half := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		copy(half, []byte{0, byte(i + 1), 'X', 0})
		copy(half[4:], nonce[:nonceSize/2])
		for j := range half {
			half[j] ^= s.k1[j]
		}
		s.block.Encrypt(half, half)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// seal appends a nonce and the sealed text to dst. With a nonce of nil it takes a random one.
func (s *sealer) seal(dst, nonce, plain, about []byte) ([]byte, error) {
	var fresh [nonceSize]byte
	if nonce == nil {
		nonce = fresh[:]
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
	}
	aead, err := s.derived(nonce)
	if err != nil {
		return nil, err
	}
	return aead.Seal(append(dst, nonce...), nonce[nonceSize/2:], plain, about), nil
}

var errShort = errors.New("a sealed text is longer")

// open reads what seal appended.
func (s *sealer) open(sealed, about []byte) ([]byte, error) {
	if len(sealed) < nonceSize+tagSize {
		return nil, errShort
	}
	nonce := sealed[:nonceSize]
	aead, err := s.derived(nonce)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nonce[nonceSize/2:], sealed[nonceSize:], about)
}
