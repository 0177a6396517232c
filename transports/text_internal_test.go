package transports

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// checkText checks text in pieces of n bytes.
func checkText(text string, n int) bool {
	var c textCheck
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		if !c.valid([]byte(piece)) {
			return false
		}
		text = text[len(piece):]
	}
	return c.end()
}

func TestTextCheck(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "a", "é", "€", "😀", "aé€😀z", "\ufffd", "\u0000", "\U0010ffff", strings.Repeat("я", 100),
		"\xff", "a\x80", "\xc3", "\xc3a", "\xe2\x82", "\xe2\x82a", "\xf0\x9f\x98", "\xf0\x9f\x98\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xc0\xaf", "\xe0\x80\x80", "a\xf0", "\xf0\xf0\x9f\x98\x80", "é\xc3", "\x80é", "\xf8\x88\x80\x80\x80",
	} {
		for n := 1; n <= len(text); n++ {
			require.Equal(t, utf8.ValidString(text), checkText(text, n), "%q in pieces of %d", text, n)
		}
	}
}

// A text that was cut off leaves nothing for the next one.
func TestTextCheckStartsAnew(t *testing.T) {
	t.Parallel()
	var c textCheck
	require.True(t, c.valid([]byte("a\xc3")))
	require.False(t, c.end())
	require.True(t, c.valid([]byte("a")))
	require.True(t, c.end())
	require.True(t, isText([][]byte{[]byte("a\xc3"), []byte("\xa9b")}))
	require.False(t, isText([][]byte{[]byte("a\xc3"), []byte("b")}))
	require.False(t, isText([][]byte{[]byte("a\xc3")}))
}

func FuzzTextCheck(f *testing.F) {
	f.Add("aé€😀z", 2)
	f.Add("\xf0\x9f\x98", 1)
	f.Fuzz(func(t *testing.T, text string, n int) {
		require.Equal(t, utf8.ValidString(text), checkText(text, max(1, n)))
	})
}

func BenchmarkTextCheck(b *testing.B) {
	for name, letter := range map[string]string{"ascii": "a", "cyrillic": "я"} {
		b.Run(name, func(b *testing.B) {
			piece := []byte(strings.Repeat(letter, readSize/len(letter)))
			b.SetBytes(readSize)
			for b.Loop() {
				var c textCheck
				if !c.valid(piece) {
					b.Fatal("refused")
				}
			}
		})
	}
}
