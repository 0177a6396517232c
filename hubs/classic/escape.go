package classic

// appendScript appends JSON as a script's, whoever has encoded it, so that nothing in
// it ends the script or a line of it: in scripts before ES2019, U+2028 and U+2029 end a
// line even within strings. In JSON these characters occur in strings alone.
func appendScript(b, json []byte) []byte {
	done := 0
	for i, c := range json {
		var escape string
		size := 1
		switch {
		case c == '<':
			escape = `\u003c`
		case c == '>':
			escape = `\u003e`
		case c == 0xE2 && i+2 < len(json) && json[i+1] == 0x80 && json[i+2] == 0xA8:
			escape, size = `\u2028`, 3
		case c == 0xE2 && i+2 < len(json) && json[i+1] == 0x80 && json[i+2] == 0xA9:
			escape, size = `\u2029`, 3
		default:
			continue
		}
		b = append(append(b, json[done:i]...), escape...)
		done = i + size
	}
	return append(b, json[done:]...)
}
