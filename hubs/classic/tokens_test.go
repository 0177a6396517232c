package classic

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

func testTokens(t testing.TB, key []byte, lifetime time.Duration) *tokens {
	t.Helper()
	made, err := newTokens(key, lifetime)
	require.NoError(t, err)
	return made
}

// must is for tokens of a length that is allowed.
func must(token string, err error) string {
	if err != nil {
		panic(err)
	}
	return token
}

const testID = "3f0c7a52-8d41-4b6e-9a1f-5c2e70d9b841"

func TestConnectionTokens(t *testing.T) {
	t.Parallel()
	a := testTokens(t, testKey, 0)
	for _, user := range []string{"", "ann", "a:b\x00ü", strings.Repeat("x", 1000)} {
		token := must(a.sealConnection(testID, user))
		require.Regexp(t, `^[A-Za-z0-9_-]+$`, token, "nothing in it needs escaping in a URL")
		id, who, err := testTokens(t, testKey, 0).openConnection(token)
		require.NoError(t, err, "another node with the key")
		require.Equal(t, testID, id)
		require.Equal(t, user, who)
	}
}

// TestTokensThatAreNone: tampered, of another key, of another kind, cut, padded.
func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	a := testTokens(t, testKey, 0)
	red := membership{hubs: []string{"Chat"}, groups: map[string][]string{"Chat": {"red"}}}
	token, groups := must(a.sealConnection(testID, "ann")), must(a.sealGroups(testID, red))
	other := testTokens(t, nil, 0)
	for name, bad := range map[string]string{
		"empty": "", "garbage": "garbage", "other key": must(other.sealConnection(testID, "ann")), "groups token": groups, "cut": token[:len(token)-4],
		"longer": token + "AAAA", "padded": token + "=", "too long": strings.Repeat("A", maxConnectionToken+1), "nothing": base64.RawURLEncoding.EncodeToString(nil),
	} {
		_, _, err := a.openConnection(bad)
		require.ErrorIs(t, err, errToken, name)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	require.NoError(t, err)
	for i := range raw { // no byte can be changed
		raw[i] ^= 1
		_, _, err := a.openConnection(base64.RawURLEncoding.EncodeToString(raw))
		require.ErrorIs(t, err, errToken)
		raw[i] ^= 1
	}
	for name, bad := range map[string]string{"connection token": token, "other key": must(other.sealGroups(testID, membership{}))} {
		_, err := a.openGroups(bad, testID)
		require.ErrorIs(t, err, errToken, name)
	}
	_, err = a.openGroups(groups, "3f0c7a52-8d41-4b6e-9a1f-5c2e70d9b842")
	require.ErrorIs(t, err, errToken, "of another connection")
}

func TestConnectionTokensExpire(t *testing.T) {
	t.Parallel()
	a := testTokens(t, testKey, time.Hour)
	now := time.Unix(1_700_000_000, 0)
	a.now = func() time.Time { return now }
	token := must(a.sealConnection(testID, "ann"))
	now = now.Add(time.Hour)
	_, _, err := a.openConnection(token)
	require.NoError(t, err)
	now = now.Add(time.Second)
	_, _, err = a.openConnection(token)
	require.ErrorIs(t, err, errExpired)
	_, _, err = testTokens(t, testKey, 0).openConnection(token)
	require.NoError(t, err, "for ever, by default")
}

func TestGroupsTokens(t *testing.T) {
	t.Parallel()
	a := testTokens(t, testKey, 0)
	for _, m := range []membership{
		{true, []string{"Chat", "Other"}, map[string][]string{"Chat": {"red", "blue \" \x00"}, "Other": nil}}, // hubs without groups are there too
		{false, []string{"Other", "Chat"}, map[string][]string{"Chat": {"red"}, "Other": {"red"}}},
		{true, nil, map[string][]string{}},
	} {
		first, second := must(a.sealGroups(testID, m)), must(a.sealGroups(testID, m))
		require.NotEqual(t, mark(first), mark(second), "the marks of two tokens")
		opened, err := a.openGroups(first, testID)
		require.NoError(t, err)
		require.Equal(t, m, *opened)
	}
	_, err := a.openGroups(must(a.sealGroups(testID, membership{hubs: []string{"Chat", "Chat"}})), testID)
	require.ErrorIs(t, err, errToken, "a hub is there twice")
}

// TestSignatures: of one connection, one groups token, one cursor and one key.
func TestSignatures(t *testing.T) {
	t.Parallel()
	sign := func(key []byte, id, mark, cursor string) string {
		return string(testTokens(t, key, 0).sign(nil, id, mark, []byte(cursor)))
	}
	want := sign(testKey, testID, "mark", "cursor")
	require.Len(t, want, signatureSize)
	require.Equal(t, want, sign(testKey, testID, "mark", "cursor"), "on another node")
	for name, other := range map[string]string{
		"key": sign(nil, testID, "mark", "cursor"), "id": sign(testKey, testID+"m", "ark", "cursor"), "mark": sign(testKey, testID, "", "cursor"),
		"no mark": sign(testKey, testID, noMark, "cursor"), "cursor": sign(testKey, testID, "mark", "cursors"), "parts": sign(testKey, testID, "markc", "ursor"),
	} {
		require.NotEqual(t, want, other, name)
	}
}

// TestTokensAreTakenBack: none is made that is longer than those that are read.
func TestTokensAreTakenBack(t *testing.T) {
	t.Parallel()
	a := testTokens(t, testKey, 0)
	for limit, test := range map[int]struct {
		seal func(size int) (string, error)
		open func(token string) error
	}{
		maxConnectionToken: {
			func(size int) (string, error) { return a.sealConnection(testID, strings.Repeat("u", size)) },
			func(token string) error { _, _, err := a.openConnection(token); return err },
		},
		maxGroupsToken: {
			func(size int) (string, error) {
				return a.sealGroups(testID, membership{hubs: []string{"Chat"}, groups: map[string][]string{"Chat": {strings.Repeat("g", size)}}})
			},
			func(token string) error { _, err := a.openGroups(token, testID); return err },
		},
	} {
		size := limit*3/4 - 80
		token, err := test.seal(size)
		require.NoError(t, err)
		for ; err == nil; size++ {
			require.NoError(t, test.open(token), "a token of %d bytes", len(token))
			token, err = test.seal(size)
		}
		require.ErrorIs(t, err, errTooLong)
		require.Greater(t, size, limit*3/4-100, "the limit is used")
	}
}

func TestGroupRoomFitsTheToken(t *testing.T) {
	t.Parallel()
	a := testTokens(t, testKey, 0)
	for _, hubs := range [][]string{{"Chat"}, {"Chat", "Other"}, {strings.Repeat("h", 200), "b", "c"}} {
		for _, length := range []int{1, 36, 127, 128, 20_000} {
			var list []listed
			for _, hub := range hubs {
				list = append(list, listed{served: &served{name: hub}})
			}
			name := strings.Repeat("g", length)
			groups := make(map[string][]string)
			for _, hub := range hubs {
				for room := a.groupRoom(testID, list) - bridge.GroupSize(name); room >= 0; room -= bridge.GroupSize(name) {
					groups[hub] = append(groups[hub], name)
				}
			}
			token, err := a.sealGroups(testID, membership{true, hubs, groups})
			require.NoError(t, err, "%d hubs, names of %d bytes", len(hubs), length)
			opened, err := a.openGroups(token, testID)
			require.NoError(t, err)
			require.Equal(t, groups, opened.groups)
		}
	}
}

func FuzzTokens(f *testing.F) {
	a := testTokens(f, testKey, 0)
	f.Add(must(a.sealConnection(testID, "ann")), []byte("\x00\x24"+testID+"ann"))
	red := membership{true, []string{"Chat"}, map[string][]string{"Chat": {"red"}}}
	f.Add(must(a.sealGroups(testID, red)), []byte("\x01\x24"+testID+"\x04Chat\x01\x03red"))
	f.Add("", []byte{})
	f.Add("AAAA", []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, token string, clear []byte) {
		_, _, _ = a.openConnection(token)
		_, _ = a.openGroups(token, testID)
		// Whoever has the key can still not make the readers fail.
		if id, user, err := a.openConnection(must(seal(a.connection, clear, math.MaxInt))); err == nil {
			again, who, err := a.openConnection(must(a.sealConnection(id, user)))
			require.NoError(t, err)
			require.Equal(t, [2]string{id, user}, [2]string{again, who})
		}
		m, err := a.openGroups(must(seal(a.groups, clear, math.MaxInt)), testID)
		if err != nil {
			return
		}
		again, err := a.openGroups(must(a.sealGroups(testID, *m)), testID)
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func BenchmarkTokens(b *testing.B) {
	a := testTokens(b, testKey, 0)
	token := must(a.sealConnection(testID, "ann"))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := a.openConnection(token); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	a := testTokens(b, testKey, 0)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = a.sign(buffer[:0], testID, "mark", []byte("gAAAABwKH0JX_vDEDAQcDAQAAAAEBl06AgICAgCA"))
	}
}
