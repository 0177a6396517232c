package protocol

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Type is the number that stands for a kind of message on the wire.
type Type int

// The types of message.
const (
	TypeInvocation       Type = 1
	TypeStreamItem       Type = 2
	TypeCompletion       Type = 3
	TypeStreamInvocation Type = 4
	TypeCancelInvocation Type = 5
	TypePing             Type = 6
	TypeClose            Type = 7
	TypeAck              Type = 8
	TypeSequence         Type = 9
)

// Message is one hub message: a pointer to one of the structs below. A message
// may be read by several goroutines at once as long as none changes it.
//
// Its arguments, items and results are values in the encoding of one protocol. In
// a parsed message they alias the parsed bytes: who keeps one longer than those
// must copy it.
type Message interface {
	// Type returns the message's number on the wire.
	Type() Type
}

// Invocation calls a method of the other side: type 1 for one result, or, with
// Stream, type 4 for a stream of results.
type Invocation struct {
	// Headers are the caller's headers, nil when there are none.
	Headers map[string]string
	// InvocationID names the call in its answer. It is empty when the caller
	// wants no answer, which type 4 does not allow.
	InvocationID string
	// Target is the name of the method, never empty.
	Target string
	// Arguments are the encoded arguments, empty when there are none.
	Arguments [][]byte
	// StreamIDs name the streams that the caller is going to upload.
	StreamIDs []string
	// Stream asks for a stream of results.
	Stream bool
}

// StreamItem is one item of a stream, in either direction.
type StreamItem struct {
	Headers map[string]string
	// InvocationID is the id of the call, or of the uploaded stream.
	InvocationID string
	// Item is the encoded item; nil is written as null.
	Item []byte
}

// Completion ends a call or a stream, in either direction.
type Completion struct {
	Headers map[string]string
	// InvocationID is the id of the call, or of the uploaded stream.
	InvocationID string
	// Result is the encoded result. Nil means that there is none, which is not
	// the same as a result that is null.
	Result []byte
	// Error is the text of the failure, empty on success. It excludes Result.
	Error string
}

// CancelInvocation asks the other side to stop a call or a stream.
type CancelInvocation struct {
	Headers map[string]string
	// InvocationID is the id of the call to stop.
	InvocationID string
}

// Ping keeps the connection alive.
type Ping struct{}

// Close announces that the sender ends the connection.
type Close struct {
	// Error is the reason, empty for a normal end.
	Error string
	// AllowReconnect tells the client that it may connect anew by itself.
	AllowReconnect bool
}

// Ack confirms all counted messages up to SequenceID.
type Ack struct{ SequenceID int64 }

// Sequence gives the number of the next counted message.
type Sequence struct{ SequenceID int64 }

// Unknown is a message of a type that this package does not know. Receivers skip
// it; it cannot be written.
type Unknown struct {
	// Kind is the type's number.
	Kind int
}

// Type returns TypeInvocation, or TypeStreamInvocation with Stream.
func (m *Invocation) Type() Type {
	if m.Stream {
		return TypeStreamInvocation
	}
	return TypeInvocation
}

// Type returns TypeStreamItem.
func (*StreamItem) Type() Type { return TypeStreamItem }

// Type returns TypeCompletion.
func (*Completion) Type() Type { return TypeCompletion }

// Type returns TypeCancelInvocation.
func (*CancelInvocation) Type() Type { return TypeCancelInvocation }

// Type returns TypePing.
func (*Ping) Type() Type { return TypePing }

// Type returns TypeClose.
func (*Close) Type() Type { return TypeClose }

// Type returns TypeAck.
func (*Ack) Type() Type { return TypeAck }

// Type returns TypeSequence.
func (*Sequence) Type() Type { return TypeSequence }

// Type returns the Kind.
func (m *Unknown) Type() Type { return Type(m.Kind) }

// check reports why a receiver would have to refuse m, so that such a message is
// never written.
func check(m Message) error {
	switch m := m.(type) {
	case *Invocation:
		if m.Target == "" {
			return errors.New("protocol: invocation without a target")
		}
		if m.Stream && m.InvocationID == "" {
			return errors.New("protocol: stream invocation without an invocation id")
		}
	case *StreamItem:
		if m.InvocationID == "" {
			return errors.New("protocol: stream item without an invocation id")
		}
	case *Completion:
		if m.InvocationID == "" {
			return errors.New("protocol: completion without an invocation id")
		}
		if m.Error != "" && m.Result != nil {
			return errors.New("protocol: completion with both an error and a result")
		}
	case *CancelInvocation:
		if m.InvocationID == "" {
			return errors.New("protocol: cancel invocation without an invocation id")
		}
	case *Ping, *Close, *Ack, *Sequence:
	default:
		return fmt.Errorf("protocol: cannot write a message of type %T", m)
	}
	return nil
}

// sortedKeys returns the keys of headers in order, so that equal messages have
// equal encodings.
func sortedKeys(headers map[string]string) []string {
	return slices.Sorted(maps.Keys(headers))
}
