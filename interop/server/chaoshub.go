package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
)

// ChaosHub is not part of the contract. Its clients hear what the server's own code sends them by order of POST /chaos, so
// that the outcome of each message is known, whatever becomes of clients and nodes. A connection's user is its query value
// user.
type ChaosHub struct{}

// Ready returns when the caller is one of the hub's clients.
func (*ChaosHub) Ready(*hubs.Context) {}

// addChaos serves the hub, on a bus that may be nil, and what gives orders to it.
func (s *testServer) addChaos(bus scaleout.Bus) error {
	opts := []hubs.Option{hubs.WithName("chaos"), hubs.WithUserID(farmUser), hubs.WithStatefulReconnect()}
	if bus != nil {
		opts = append(opts, hubs.WithBus(lossLogger{bus, s.log}))
	}
	hub, err := s.addHub("/chaoshub", &ChaosHub{}, opts...)
	if err != nil {
		return err
	}
	s.mux.Handle("POST /chaos", chaosOrders(hub))
	s.mux.Handle("GET /chaos", chaosState(hub))
	return nil
}

// chaosOrder is what one goroutine does, one deed after the other until one fails.
type chaosOrder struct {
	Sender   string
	Pipeline bool // sends go by one, and succeed or fail together
	Deeds    []chaosDeed
}

type chaosDeed struct {
	Do     string // "Send", "Ask", "Abort", "Add", "Remove" or "Members"
	To     string // "All", "Group", "User" or "Client"
	Name   string // of that
	Group  string // of Add and Remove
	Number int    // of the message
}

// chaosOutcome is the outcome of a deed. What follows on an error was not begun.
type chaosOutcome struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func chaosOrders(hub *hubs.Hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var order chaosOrder
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(order.carryOut(r.Context(), hub))
	})
}

func (o *chaosOrder) carryOut(ctx context.Context, hub *hubs.Hub) []chaosOutcome {
	var pipeline *hubs.Pipeline
	if o.Pipeline {
		pipeline = hub.NewPipeline()
	}
	outcomes := make([]chaosOutcome, 0, len(o.Deeds))
	for _, d := range o.Deeds {
		value, err := d.do(ctx, hub, o.Sender, pipeline)
		if err != nil {
			return append(outcomes, chaosOutcome{Error: err.Error()})
		}
		outcomes = append(outcomes, chaosOutcome{Value: value})
	}
	if pipeline != nil {
		if err := pipeline.Wait(); err != nil {
			for i := range outcomes {
				outcomes[i].Error = err.Error()
			}
		}
	}
	return outcomes
}

func (d *chaosDeed) do(ctx context.Context, hub *hubs.Hub, sender string, pipeline *hubs.Pipeline) (value any, err error) {
	target, err := d.target(hub.Clients())
	if err != nil {
		return nil, err
	}
	if pipeline != nil {
		target = target.Via(pipeline)
	}
	switch d.Do {
	case "Send":
		return nil, target.Send(ctx, "Message", sender, d.Number)
	case "Ask":
		limited, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		return hubs.Invoke[int](limited, target, "Ask", sender, d.Number)
	case "Abort":
		return nil, target.Abort(ctx, nil)
	case "Add":
		return nil, hub.Groups().Add(ctx, d.Name, d.Group)
	case "Remove":
		return nil, hub.Groups().Remove(ctx, d.Name, d.Group)
	case "Members":
		return target.Connections(ctx)
	default:
		return nil, fmt.Errorf("there is no deed %q", d.Do)
	}
}

func (d *chaosDeed) target(clients hubs.Clients) (hubs.Target, error) {
	switch d.To {
	case "All":
		return clients.All(), nil
	case "Group":
		return clients.Group(d.Name), nil
	case "User":
		return clients.User(d.Name), nil
	case "Client":
		return clients.Client(d.Name), nil
	default:
		return hubs.Target{}, fmt.Errorf("there is no target %q", d.To)
	}
}

// chaosState tells how a node sees itself and its farm.
func chaosState(hub *hubs.Hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		bus := hub.Stats().Bus
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"node": hub.NodeID(), "health": bus.Health.String(), "nodes": bus.Nodes,
			"losses": bus.Losses, "lost": bus.Lost, "pending": bus.Pending,
		})
	})
}

// lossLogger is a bus that logs every loss.
type lossLogger struct {
	scaleout.Bus
	log *slog.Logger
}

func (l lossLogger) Join(hub string, receiver scaleout.Receiver) (scaleout.Node, error) {
	return l.Bus.Join(hub, lossLoggingReceiver{receiver, l.log})
}

type lossLoggingReceiver struct {
	scaleout.Receiver
	log *slog.Logger
}

func (r lossLoggingReceiver) Lost(l scaleout.Loss) {
	r.log.Info("LOSS", "reason", l.Reason, "own", l.Own, "publisher", uint32(l.Publisher), "count", l.Count,
		"at", time.Now().UnixMilli())
	r.Receiver.Lost(l)
}
