package scaleout

// Kind says what an envelope asks its receivers to do.
type Kind uint8

// The kinds of envelope.
const (
	// Message is to be sent to the connections of the topic.
	Message Kind = iota + 1
	// Abort ends the connections of the topic.
	Abort
	// AddToGroup and RemoveFromGroup change the groups of a connection of the
	// receiving node, which replies: of the topic's connection, or, so that the
	// change has its place among the messages of a group, of Connections, the
	// topic being the group.
	AddToGroup
	RemoveFromGroup
	// Invoke is a message to one connection, whose client answers it; the
	// receiving node replies with the answer.
	Invoke
	// Forget takes back an Invoke, by the same ReplyTo and Request.
	Forget
	// Presence asks for the connections of the topic on the receiving node,
	// which replies; Count asks for their number alone.
	Presence
	Count
	// Reply answers one of the kinds above.
	Reply
	// Moved says that the topic's connection, which may be on any node, is on
	// the publisher's now.
	Moved
	// Missed says that what the receiving node has sent to the publisher may be
	// lost, so that it waits for no replies.
	Missed
)

// TopicKind says what a topic names.
type TopicKind uint8

// The kinds of topic.
const (
	// All is every connection; it has no name.
	All TopicKind = iota
	// Group is the members of a group.
	Group
	// User is the connections of a user.
	User
	// Connection is one connection.
	Connection
)

// Topic names receivers.
type Topic struct {
	Kind TopicKind
	Name string
}

// Stream returns which of n streams carries the topic. All nodes of a farm must
// have the same n.
func (t Topic) Stream(n int) int {
	// FNV-1a, as of hash/fnv, which would need a copy of the name.
	const offset, prime = 2166136261, 16777619
	h := (uint32(offset) ^ uint32(t.Kind)) * prime
	for i := range len(t.Name) {
		h = (h ^ uint32(t.Name[i])) * prime
	}
	return int(h % uint32(n))
}

// Envelope is what nodes send to each other. Which fields matter depends on the
// kind.
type Envelope struct {
	Kind Kind
	// Topic is who is meant.
	Topic Topic
	// Excluded are connections that are not meant.
	Excluded []string
	// Target is the name of the client method that Bodies call.
	Target string
	// Bodies hold the message, once for each hub protocol, as whole frames.
	// In a reply there is one, the raw result in its protocol.
	Bodies []Body
	// Group is the group of AddToGroup and RemoveFromGroup.
	Group string
	// Request is the number by which ReplyTo knows the reply; 0: none wanted.
	Request uint64
	ReplyTo NodeID
	// Error is the failure that a reply tells, or the reason of an Abort.
	Error string
	// Outcome qualifies a reply or the reason of an Abort; its values belong to
	// the sender and receiver.
	Outcome uint8
	// Connections is the answer to Presence, or whose groups change.
	Connections []string
	// Number is the answer to Count.
	Number uint64

	// Publisher and Sequence, set by the bus, number the envelopes of each
	// node in each stream from 1.
	Publisher NodeID
	Sequence  uint64
	// Stream and Position, set by the bus, are where the envelope is; Stream is
	// -1 in a node's own stream.
	Stream   int
	Position Position

	// Local is for the sender's own process: it is not transmitted. A bus that
	// stays within the process passes it on.
	Local any
}

// Size returns about how many bytes the encoding of the envelope has.
func (e *Envelope) Size() int {
	const overhead, each = 64, 8
	n := overhead + len(e.Topic.Name) + len(e.Target) + len(e.Group) + len(e.Error)
	for _, b := range e.Bodies {
		n += each + len(b.Protocol) + len(b.Data)
	}
	for _, s := range e.Excluded {
		n += each + len(s)
	}
	for _, s := range e.Connections {
		n += each + len(s)
	}
	return n
}

// Body is a message in one hub protocol.
type Body struct {
	Protocol string
	Data     []byte
}

// Body returns the data for a protocol, nil if there is none.
func (e *Envelope) Body(protocol string) []byte {
	for _, b := range e.Bodies {
		if b.Protocol == protocol {
			return b.Data
		}
	}
	return nil
}
