package classic

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnInvocationOfInvalidUTF8IsMalformed(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"argument": "{\"H\":\"chat\",\"M\":\"Relay\",\"A\":[\"\xff\"],\"I\":0}",
		"nested":   "{\"H\":\"chat\",\"M\":\"Relay\",\"A\":[{\"a\":[\"\xc3\"]}],\"I\":0}",
		"state":    "{\"H\":\"chat\",\"M\":\"Relay\",\"A\":[],\"I\":0,\"S\":{\"a\":\"\xff\"}}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parseInvocation([]byte(data))
			require.ErrorIs(t, err, errNotUTF8)
		})
	}
}
