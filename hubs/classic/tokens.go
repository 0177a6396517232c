package classic

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"sync"
	"time"
)

// tokens makes and reads the tokens that clients carry (classic reference 3).
// They are encrypted and authenticated, each kind with a key of its own, so that
// none passes for another and a client learns no group names from its own. It also
// signs the clients' cursors.
type tokens struct {
	connection, groups cipher.AEAD
	cursors            sync.Pool     // *signer
	lifetime           time.Duration // of connection tokens; 0: for ever
	now                func() time.Time
}

// signer signs cursors.
type signer struct {
	hash   hash.Hash
	buffer []byte
}

var (
	errToken   = errors.New("classic: not a token of this key")
	errExpired = errors.New("classic: the token has expired")
	errTooLong = errors.New("classic: the token would be too long to be taken back")
)

// newTokens derives the keys from a secret; nil: from a random one.
func newTokens(key []byte, lifetime time.Duration) (*tokens, error) {
	if key == nil {
		key = make([]byte, minKeySize)
		_, _ = rand.Read(key) // never fails
	}
	t := &tokens{lifetime: lifetime, now: time.Now}
	var err, err2 error
	t.connection, err = newSealer(key, "signalr classic connection token 1")
	t.groups, err2 = newSealer(key, "signalr classic groups token 2")
	derived, err3 := hkdf.Key(sha256.New, key, nil, "signalr classic cursor 1", sha256.Size)
	t.cursors.New = func() any { return &signer{hash: hmac.New(sha256.New, derived)} }
	return t, errors.Join(err, err2, err3)
}

func newSealer(key []byte, purpose string) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal returns a token that unseal takes back.
func seal(a cipher.AEAD, clear []byte, limit int) (string, error) {
	if base64.RawURLEncoding.EncodedLen(len(clear)+a.Overhead()) > limit {
		return "", errTooLong
	}
	return base64.RawURLEncoding.EncodeToString(a.Seal(nil, nil, clear, nil)), nil
}

func unseal(a cipher.AEAD, token string, limit int) ([]byte, error) {
	if len(token) > limit {
		return nil, errToken
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, errToken
	}
	clear, err := a.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, errToken
	}
	return clear, nil
}

// sealConnection returns the token of a connection of a user. The error is that the
// user's id is too long.
func (t *tokens) sealConnection(id, user string) (string, error) {
	clear := binary.AppendUvarint(nil, uint64(t.now().Unix()))
	clear = appendText(clear, id)
	return seal(t.connection, append(clear, user...), maxConnectionToken)
}

// openConnection returns whose token it is.
func (t *tokens) openConnection(token string) (id, user string, err error) {
	clear, err := unseal(t.connection, token, maxConnectionToken)
	if err != nil {
		return "", "", err
	}
	r := reader{rest: clear}
	issued := time.Unix(int64(r.number()), 0)
	id = r.text()
	if r.failed || id == "" {
		return "", "", errToken
	}
	if t.lifetime > 0 && t.now().Sub(issued) > t.lifetime {
		return "", "", errExpired
	}
	return id, string(r.rest), nil
}

// membership is what a groups token says of a connection.
type membership struct {
	accepted bool // by the application: its OnConnected has returned
	hubs     []string
	groups   map[string][]string // by hub
}

// sealGroups returns the token that says which groups of which hubs a connection
// is in. The error is that there are too many groups.
func (t *tokens) sealGroups(id string, m membership) (string, error) {
	clear := binary.AppendUvarint(nil, acceptance(m.accepted))
	clear = appendText(clear, id)
	for _, hub := range m.hubs {
		clear = appendText(clear, hub)
		clear = binary.AppendUvarint(clear, uint64(len(m.groups[hub])))
		for _, group := range m.groups[hub] {
			clear = appendText(clear, group)
		}
	}
	return seal(t.groups, clear, maxGroupsToken)
}

func acceptance(accepted bool) uint64 {
	if accepted {
		return 1
	}
	return 0
}

// groupRoom returns the room of each hub of a connection for its groups: with no more
// of them, the groups token is as long as allowed.
func (t *tokens) groupRoom(id string, hubs []listed) int {
	room := base64.RawURLEncoding.DecodedLen(maxGroupsToken) - t.groups.Overhead() - 1 - len(appendText(nil, id))
	for _, h := range hubs {
		room -= len(appendText(nil, h.name)) + binary.MaxVarintLen32 // how many follow
	}
	return room / len(hubs)
}

// openGroups returns what a token says. A token of another connection is none.
func (t *tokens) openGroups(token, id string) (*membership, error) {
	clear, err := unseal(t.groups, token, maxGroupsToken)
	if err != nil {
		return nil, err
	}
	r := reader{rest: clear}
	m := &membership{groups: make(map[string][]string)}
	accepted := r.number()
	m.accepted = accepted == 1
	if accepted > 1 || r.text() != id {
		return nil, errToken
	}
	for len(r.rest) > 0 && !r.failed {
		hub := r.text()
		if _, ok := m.groups[hub]; ok {
			return nil, errToken
		}
		m.hubs = append(m.hubs, hub)
		m.groups[hub] = nil
		for n := r.number(); n > 0 && !r.failed; n-- {
			m.groups[hub] = append(m.groups[hub], r.text())
		}
	}
	if r.failed {
		return nil, errToken
	}
	return m, nil
}

// mark tells a groups token from all others: by the nonce, with which it begins.
func mark(token string) string {
	const nonce = 16 // characters, of 12 bytes
	return token[:min(nonce, len(token))]
}

// noMark is that of no token.
const noMark = "!"

// signatureSize is how many bytes of a signature a cursor has. Who guesses has to ask
// the server each time.
const signatureSize = 12

// sign appends the signature of a cursor of a connection whose client has a groups
// token of a mark; "": it has none. So a cursor goes with the groups that the client
// was in there, and with no others.
func (t *tokens) sign(dst []byte, id, mark string, cursor []byte) []byte {
	s := t.cursors.Get().(*signer)
	defer t.cursors.Put(s)
	b := appendText(s.buffer[:0], id)
	b = append(appendText(b, mark), cursor...)
	s.hash.Reset()
	_, _ = s.hash.Write(b)
	s.buffer = s.hash.Sum(b)
	return append(dst, s.buffer[len(b):][:signatureSize]...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader reads numbers and texts until something does not fit.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
