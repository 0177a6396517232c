package scaleout

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// An envelope on the wire is one MessagePack array of these items, in this
// order. Items at the end that are zero are left out, so that the common
// message has eight; a reader takes what is missing as zero, and ignores what
// follows the items it knows. New items are therefore added at the end, and
// none is ever removed.
//
//	 0 publisher      1 sequence    2 kind       3 topic kind   4 topic name
//	 5 excluded       6 target      7 bodies     8 group        9 request
//	10 reply to      11 error      12 outcome   13 connections   14 number
//
// Numbers are unsigned integers in their shortest form, texts are str (not
// necessarily UTF-8), lists are arrays, and a body is an array of its protocol
// (str) and its data (bin).
const (
	itemsLeast = 5
	itemsKnown = 15
)

// errTruncated is the error of an envelope that ends too early.
var errTruncated = errors.New("scaleout: the envelope is cut off")

// AppendEnvelope appends the encoding of e to dst and returns the extended
// slice. What a bus sets when it delivers (Stream, Position) and what stays in
// the process (Local) is not part of it. Excluded, Bodies and Connections that
// are nil or empty are the same.
func AppendEnvelope(dst []byte, e *Envelope) []byte {
	return AppendEnvelopeAs(dst, e, e.Publisher, e.Sequence)
}

// AppendEnvelopeAs is [AppendEnvelope] with another publisher and sequence than e
// has: a bus that numbers envelopes need not write to what its caller has.
func AppendEnvelopeAs(dst []byte, e *Envelope, publisher NodeID, sequence uint64) []byte {
	items := e.items()
	dst = appendArray(dst, items)
	dst = appendUint(dst, uint64(publisher))
	dst = appendUint(dst, sequence)
	dst = appendUint(dst, uint64(e.Kind))
	dst = appendUint(dst, uint64(e.Topic.Kind))
	dst = appendString(dst, e.Topic.Name)
	if items > 5 {
		dst = appendStrings(dst, e.Excluded)
	}
	if items > 6 {
		dst = appendString(dst, e.Target)
	}
	if items > 7 {
		dst = appendArray(dst, len(e.Bodies))
		for _, b := range e.Bodies {
			dst = append(dst, 0x92)
			dst = appendString(dst, b.Protocol)
			dst = appendBytes(dst, b.Data)
		}
	}
	if items > 8 {
		dst = appendString(dst, e.Group)
	}
	if items > 9 {
		dst = appendUint(dst, e.Request)
	}
	if items > 10 {
		dst = appendUint(dst, uint64(e.ReplyTo))
	}
	if items > 11 {
		dst = appendString(dst, e.Error)
	}
	if items > 12 {
		dst = appendUint(dst, uint64(e.Outcome))
	}
	if items > 13 {
		dst = appendStrings(dst, e.Connections)
	}
	if items > 14 {
		dst = appendUint(dst, e.Number)
	}
	return dst
}

// items returns how many items the encoding of e needs.
func (e *Envelope) items() int {
	switch {
	case e.Number != 0:
		return 15
	case len(e.Connections) > 0:
		return 14
	case e.Outcome != 0:
		return 13
	case e.Error != "":
		return 12
	case e.ReplyTo != 0:
		return 11
	case e.Request != 0:
		return 10
	case e.Group != "":
		return 9
	case len(e.Bodies) > 0:
		return 8
	case e.Target != "":
		return 7
	case len(e.Excluded) > 0:
		return 6
	default:
		return itemsLeast
	}
}

// ParseEnvelope decodes what [AppendEnvelope] has encoded. The data of the
// bodies shares its memory with b, which must not be changed afterwards. The
// memory used is bounded by a small multiple of the length of b. Kinds that
// this version does not know are not an error.
func ParseEnvelope(b []byte) (*Envelope, error) {
	e := &Envelope{}
	if err := ParseEnvelopeInto(e, b); err != nil {
		return nil, err
	}
	return e, nil
}

// ParseEnvelopeInto is [ParseEnvelope] into an envelope that the caller has, for
// those who read many at once. What it had is lost, also if there is an error.
func ParseEnvelopeInto(e *Envelope, b []byte) error {
	d := decoder{rest: b}
	items := d.array(1)
	if d.err == nil && items < itemsLeast {
		return fmt.Errorf("scaleout: the envelope has %d items, needs %d", items, itemsLeast)
	}
	*e = Envelope{
		Publisher: NodeID(d.uint(math.MaxUint32)),
		Sequence:  d.uint(math.MaxUint64),
		Kind:      Kind(d.uint(math.MaxUint8)),
		Topic:     Topic{Kind: TopicKind(d.uint(math.MaxUint8)), Name: d.string()},
	}
	if items > 5 {
		e.Excluded = d.strings()
	}
	if items > 6 {
		e.Target = d.string()
	}
	if items > 7 {
		e.Bodies = d.bodies()
	}
	if items > 8 {
		e.Group = d.string()
	}
	if items > 9 {
		e.Request = d.uint(math.MaxUint64)
	}
	if items > 10 {
		e.ReplyTo = NodeID(d.uint(math.MaxUint32))
	}
	if items > 11 {
		e.Error = d.string()
	}
	if items > 12 {
		e.Outcome = uint8(d.uint(math.MaxUint8))
	}
	if items > 13 {
		e.Connections = d.strings()
	}
	if items > 14 {
		e.Number = d.uint(math.MaxUint64)
	}
	if d.err != nil {
		return d.err
	}
	if items <= itemsKnown && len(d.rest) > 0 {
		return fmt.Errorf("scaleout: %d bytes follow the envelope", len(d.rest))
	}
	return nil
}

// Header is the beginning of an encoded envelope.
type Header struct {
	Publisher NodeID
	Sequence  uint64
	Kind      Kind
	TopicKind TopicKind
	TopicName []byte // within what was parsed
}

// ParseHeader decodes only the beginning of what [ParseEnvelope] does, without allocations.
func ParseHeader(b []byte) (Header, error) {
	d := decoder{rest: b}
	if items := d.array(1); d.err == nil && items < itemsLeast {
		return Header{}, fmt.Errorf("scaleout: the envelope has %d items, needs %d", items, itemsLeast)
	}
	h := Header{
		Publisher: NodeID(d.uint(math.MaxUint32)),
		Sequence:  d.uint(math.MaxUint64),
		Kind:      Kind(d.uint(math.MaxUint8)),
		TopicKind: TopicKind(d.uint(math.MaxUint8)),
		TopicName: d.text(),
	}
	return h, d.err
}

func appendUint(dst []byte, v uint64) []byte {
	switch {
	case v < 0x80:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, 0xcc, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), v)
	}
}

func appendString(dst []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xdb), uint32(n))
	}
	return append(dst, s...)
}

func appendBytes(dst, b []byte) []byte {
	switch n := len(b); {
	case n <= math.MaxUint8:
		dst = append(dst, 0xc4, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xc5), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint32(append(dst, 0xc6), uint32(n))
	}
	return append(dst, b...)
}

func appendArray(dst []byte, n int) []byte {
	switch {
	case n < 16:
		return append(dst, 0x90|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xdc), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, 0xdd), uint32(n))
	}
}

func appendStrings(dst []byte, list []string) []byte {
	dst = appendArray(dst, len(list))
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return dst
}

// decoder reads values off rest. After the first error it returns zero values.
type decoder struct {
	rest []byte
	err  error
}

// take returns the next n bytes, nil if there are fewer.
func (d *decoder) take(n uint64) []byte {
	if d.err != nil {
		return nil
	}
	if n > uint64(len(d.rest)) {
		d.err = errTruncated
		return nil
	}
	taken := d.rest[:n:n]
	d.rest = d.rest[n:]
	return taken
}

// head returns the byte that says what the next value is.
func (d *decoder) head() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

// number returns an unsigned number of a width of 1, 2, 4 or 8 bytes.
func (d *decoder) number(width uint64) uint64 {
	var v uint64
	for _, b := range d.take(width) {
		v = v<<8 | uint64(b)
	}
	return v
}

func (d *decoder) unexpected(head byte, want string) {
	if d.err == nil {
		d.err = fmt.Errorf("scaleout: the envelope has 0x%02x where it needs %s", head, want)
	}
}

func (d *decoder) uint(most uint64) uint64 {
	var v uint64
	switch head := d.head(); {
	case head < 0x80:
		v = uint64(head)
	case head >= 0xcc && head <= 0xcf:
		v = d.number(1 << (head - 0xcc))
	default:
		d.unexpected(head, "a number")
	}
	if d.err == nil && v > most {
		d.err = fmt.Errorf("scaleout: the number %d in the envelope exceeds %d", v, most)
	}
	return v
}

func (d *decoder) string() string { return string(d.text()) }

// text returns the bytes of a text.
func (d *decoder) text() []byte {
	switch head := d.head(); {
	case head&0xe0 == 0xa0:
		return d.take(uint64(head & 0x1f))
	case head >= 0xd9 && head <= 0xdb:
		return d.take(d.number(1 << (head - 0xd9)))
	default:
		d.unexpected(head, "a text")
		return nil
	}
}

func (d *decoder) bytes() []byte {
	head := d.head()
	if head < 0xc4 || head > 0xc6 {
		d.unexpected(head, "bytes")
		return nil
	}
	return d.take(d.number(1 << (head - 0xc4)))
}

// array returns the length of an array whose elements take least bytes or more.
// It is never more than what follows can hold, so that it is safe to allocate.
func (d *decoder) array(least uint64) int {
	var n uint64
	switch head := d.head(); {
	case head&0xf0 == 0x90:
		n = uint64(head & 0x0f)
	case head == 0xdc, head == 0xdd:
		n = d.number(2 << (head - 0xdc))
	default:
		d.unexpected(head, "an array")
	}
	if d.err == nil && n > uint64(len(d.rest))/least {
		d.err = errTruncated
	}
	if d.err != nil {
		return 0
	}
	return int(n)
}

func (d *decoder) strings() []string {
	n := d.array(1)
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, d.string())
	}
	return list
}

func (d *decoder) bodies() []Body {
	const least = 4 // an array of two, an empty str, an empty bin
	n := d.array(least)
	if n == 0 {
		return nil
	}
	list := make([]Body, 0, n)
	for range n {
		if head := d.head(); head != 0x92 {
			d.unexpected(head, "a body")
		}
		list = append(list, Body{Protocol: d.string(), Data: d.bytes()})
	}
	return list
}
