package negotiate

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
)

const idSize = 16 // bytes, of which a node's number takes 4

// NewID returns an unguessable identifier: 16 random bytes as 22 characters of
// unpadded base64url.
func NewID() string {
	var b [idSize]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NewNodeID returns an identifier of the same shape that tells which node of a
// farm made it. 12 of its bytes are random, so that it is still unguessable.
func NewNodeID(node uint32) string {
	var b [idSize]byte
	_, _ = rand.Read(b[4:]) // never fails: crypto/rand ends the process instead
	binary.BigEndian.PutUint32(b[:], node)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// NodeOf returns the node that made an identifier, for an id of NewNodeID. For
// any other text it returns some number, or 0.
func NodeOf(id string) uint32 {
	var b [idSize]byte
	if len(id) != base64.RawURLEncoding.EncodedLen(idSize) {
		return 0
	}
	if _, err := base64.RawURLEncoding.Decode(b[:], []byte(id)); err != nil {
		return 0
	}
	return binary.BigEndian.Uint32(b[:])
}

// NewGrant returns a grant with fresh identifiers; the public one tells the node
// unless that is 0. From version 1 on, id and token are independent, so that
// knowing the public id gives no access.
func NewGrant(version int, node uint32) Grant {
	g := Grant{Version: version}
	if node == 0 {
		g.ConnectionID = NewID()
	} else {
		g.ConnectionID = NewNodeID(node)
	}
	g.ConnectionToken = g.ConnectionID
	if version > 0 {
		g.ConnectionToken = NewID()
	}
	return g
}
