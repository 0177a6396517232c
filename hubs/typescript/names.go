package typescript

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-signalr/signalr/hubs/internal/describe"
)

// methodName is what a HubConnection calls the parameter with the method's name.
const methodName = "methodName"

// reservedParams are the words that no parameter may have as its name.
const reservedParams = "arguments await break case catch class const continue debugger default delete do else enum eval " +
	"export extends false finally for function if implements import in instanceof interface let new null package private " +
	"protected public return static super switch this throw true try typeof var void while with yield"

// paramNames returns n different names for parameters: those that were written, as
// far as the language allows them.
func paramNames(written []string, n int) []string {
	taken := append(strings.Fields(reservedParams), methodName)
	names := make([]string, n)
	for i := range names {
		name := "arg" + strconv.Itoa(i+1)
		if i < len(written) && written[i] != "" && written[i] != "_" {
			name = written[i]
		}
		for slices.Contains(taken, name) {
			name += "_"
		}
		names[i] = name
		taken = append(taken, name)
	}
	return names
}

// declaredNames returns the names of a client method's parameters.
func declaredNames(m describe.ClientMethod) ([]string, error) {
	if m.Names == "" {
		return paramNames(nil, len(m.Params)), nil
	}
	written := strings.Split(m.Names, ",")
	if len(written) != len(m.Params) {
		return nil, fmt.Errorf("typescript: client method %s: it takes %d argument(s) and names %d", m.Name, len(m.Params), len(written))
	}
	for _, name := range written {
		if !isIdentifier(name) {
			return nil, fmt.Errorf("typescript: client method %s: an argument cannot have the name %q", m.Name, name)
		}
	}
	return paramNames(written, len(m.Params)), nil
}
