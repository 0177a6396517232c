package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// distantBus is a bus in memory whose nodes are told no more than those of other
// processes.
type distantBus struct{ *scaleout.Memory }

func (b distantBus) Join(hub string, receiver scaleout.Receiver) (scaleout.Node, error) {
	node, err := b.Memory.Join(hub, receiver)
	return distantNode{node}, err
}

type distantNode struct{ scaleout.Node }

func (n distantNode) Publish(ctx context.Context, e *scaleout.Envelope) error {
	return n.Node.Publish(ctx, transmitted(e))
}

func (n distantNode) Send(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) error {
	return n.Node.Send(ctx, to, transmitted(e))
}

func transmitted(e *scaleout.Envelope) *scaleout.Envelope {
	there, err := scaleout.ParseEnvelope(scaleout.AppendEnvelope(nil, e))
	if err != nil {
		panic(err)
	}
	return there
}

// The reason of an abort reaches the client, if it is meant for clients, and
// OnDisconnected, wherever the client is.
func TestAbortForAReason(t *testing.T) {
	t.Parallel()
	internal := InvalidOperationException{"the password is 1234"}
	for _, tt := range []struct {
		name           string
		reason         error
		said, detailed string
	}{
		{"none", nil, ``, ``},
		{"for the client", hubs.NewError("you were kicked"), `"error":"you were kicked"`, `"error":"you were kicked"`},
		{"wrapped", fmt.Errorf("rule 7: %w", hubs.NewError("spam")), `"error":"spam"`, `"error":"spam"`},
		{"nil pointer", (*hubs.Error)(nil), `"error":"Connection closed with an error."`, ``},
		{"internal", internal, `"error":"Connection closed with an error."`,
			`"error":"Connection closed with an error. InvalidOperationException: the password is 1234"`},
	} {
		for _, way := range []string{"Context", "Target", "Target of a user", "another node", "another node by user"} {
			for _, detailed := range []bool{false, true} {
				if tt.name == "nil pointer" && detailed {
					continue // what it says is no matter
				}
				t.Run(fmt.Sprintf("%s, %s, detailed %v", tt.name, way, detailed), func(t *testing.T) {
					t.Parallel()
					ids, causes := make(chan string, 1), make(chan error, 1)
					bus := distantBus{scaleout.NewMemory()}
					opts := []hubs.Option{
						hubs.WithBus(bus), hubs.WithName("hub"), hubs.WithUserID(userHeader),
						hubs.WithOnConnected(func(c *hubs.Context) error { ids <- c.ConnectionID(); return nil }),
						hubs.WithOnDisconnected(func(_ *hubs.Context, cause error) { causes <- cause }),
						hubs.HandleVoid0("abort", func(c *hubs.Context) error { c.Abort(tt.reason); return nil }),
					}
					if detailed {
						opts = append(opts, hubs.WithDetailedErrors())
					}
					s, other := serve(t, nil, opts...), serve(t, nil, opts...)
					c := s.connectAs("ada")
					id := await.Receive(t, ids, "the id of the client")
					switch way {
					case "Context":
						c.send(`{"type":1,"target":"abort","arguments":[]}`)
					case "Target":
						require.NoError(t, s.Clients().Client(id).Abort(t.Context(), tt.reason))
					case "Target of a user":
						require.NoError(t, s.Clients().User("ada").Abort(t.Context(), tt.reason))
					case "another node":
						require.NoError(t, other.Clients().Client(id).Abort(t.Context(), tt.reason))
					default:
						require.NoError(t, other.Clients().User("ada").Abort(t.Context(), tt.reason))
					}
					said := tt.said
					named := way == "Context" || way == "Target" // else the type has been lost on the way
					if detailed && (tt.name != "internal" || named) {
						said = tt.detailed
					} else if detailed {
						said = `"error":"Connection closed with an error. Error: the password is 1234"`
					}
					if said != "" {
						said = "," + said
					}
					c.expect(`{"type":7` + said + `}`)
					cause := await.Receive(t, causes, "the cause of the end")
					require.ErrorIs(t, cause, hubs.ErrAborted)
					if forClient := (*hubs.Error)(nil); tt.name == "for the client" || tt.name == "wrapped" {
						require.ErrorAs(t, cause, &forClient)
						require.Equal(t, tt.said, fmt.Sprintf(`"error":%q`, forClient.Error()))
					}
					if named && tt.reason != nil && tt.name != "nil pointer" {
						require.ErrorIs(t, cause, tt.reason)
					}
					if tt.name == "internal" {
						require.EqualError(t, cause, internal.Error())
						require.NotErrorAs(t, cause, new(*hubs.Error))
					}
				})
			}
		}
	}
}

// In one process the error itself arrives, also by the bus.
func TestAbortKeepsItsReasonInTheProcess(t *testing.T) {
	t.Parallel()
	causes := make(chan error, 1)
	s := serve(t, nil, hubs.WithOnDisconnected(func(_ *hubs.Context, cause error) { causes <- cause }))
	s.connect()
	reason := errors.New("kicked")
	require.NoError(t, s.Clients().All().Abort(t.Context(), reason))
	require.ErrorIs(t, await.Receive(t, causes, "the cause of the end"), reason)
}
