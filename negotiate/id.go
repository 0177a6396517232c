package negotiate

import (
	"crypto/rand"
	"encoding/base64"
)

// NewID returns an unguessable identifier: 16 random bytes as 22 characters of
// unpadded base64url (reference 1.3).
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewGrant returns a grant with fresh identifiers. From version 1 on, id and
// token are independent, so that knowing the public id gives no access.
func NewGrant(version int) Grant {
	g := Grant{Version: version, ConnectionID: NewID()}
	g.ConnectionToken = g.ConnectionID
	if version > 0 {
		g.ConnectionToken = NewID()
	}
	return g
}
