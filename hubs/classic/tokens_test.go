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
	token, groups := must(a.sealConnection(testID, "ann")), must(a.sealGroups(testID, map[string][]string{"Chat": {"red"}}, []string{"Chat"}))
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
	for name, bad := range map[string]string{"connection token": token, "other key": must(other.sealGroups(testID, nil, nil))} {
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
	groups := map[string][]string{"Chat": {"red", "blue \" \x00"}, "Other": nil}
	opened, err := a.openGroups(must(a.sealGroups(testID, groups, []string{"Chat", "Other"})), testID)
	require.NoError(t, err)
	require.Equal(t, groups, opened, "hubs without groups are there too")
	opened, err = a.openGroups(must(a.sealGroups(testID, nil, nil)), testID)
	require.NoError(t, err)
	require.NotNil(t, opened)
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
				return a.sealGroups(testID, map[string][]string{"Chat": {strings.Repeat("g", size)}}, []string{"Chat"})
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
			token, err := a.sealGroups(testID, groups, hubs)
			require.NoError(t, err, "%d hubs, names of %d bytes", len(hubs), length)
			opened, err := a.openGroups(token, testID)
			require.NoError(t, err)
			require.Equal(t, groups, opened)
		}
	}
}

func FuzzTokens(f *testing.F) {
	a := testTokens(f, testKey, 0)
	f.Add(must(a.sealConnection(testID, "ann")), []byte("\x00\x24"+testID+"ann"))
	f.Add(must(a.sealGroups(testID, map[string][]string{"Chat": {"red"}}, []string{"Chat"})), []byte("\x24"+testID+"\x04Chat\x01\x03red"))
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
		groups, err := a.openGroups(must(seal(a.groups, clear, math.MaxInt)), testID)
		if err != nil {
			return
		}
		var order []string
		for hub := range groups {
			order = append(order, hub)
		}
		again, err := a.openGroups(must(a.sealGroups(testID, groups, order)), testID)
		require.NoError(t, err)
		require.Equal(t, groups, again)
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
