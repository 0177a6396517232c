package classic

import "strings"

// maxCallback limits the name of a JSONP callback, in bytes.
const maxCallback = 256

// isCallback reports whether a text is the name of a function as JSONP clients
// give it: identifiers of ASCII letters, joined by dots, none of which is a word
// of the language (classic reference 9.8). Anything else could be a script.
func isCallback(text string) bool {
	if len(text) > maxCallback {
		return false
	}
	for part := range strings.SplitSeq(text, ".") {
		if !isIdentifier(part) || strings.Contains(reserved, " "+part+" ") {
			return false
		}
	}
	return true
}

func isIdentifier(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == '$':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != ""
}

// reserved are the words that are no identifiers in scripts.
const reserved = " abstract arguments await boolean break byte case catch char class const continue debugger default" +
	" delete do double else enum eval export extends false final finally float for function goto if implements import" +
	" in instanceof int interface let long native new null package private protected public return short static super" +
	" switch synchronized this throw throws transient true try typeof var void volatile while with yield "
