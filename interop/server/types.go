package main

import "time"

// CustomObject is an argument type of contract 5.2.
type CustomObject struct {
	Name  string
	Value int
}

// ComplexObject is an argument type of contract 5.2, with one member for each conversion that clients stumble over.
// Its members have the names they have on the wire.
type ComplexObject struct {
	String    string
	IntArray  []int
	ByteArray []byte
	Guid      string
	DateTime  time.Time
}

// InvalidOperationException is the error that the contract's clients expect: with detailed errors on, its type's name
// is part of the text they compare (reference 6.3).
type InvalidOperationException struct{ text string }

// Error returns the text alone.
func (e InvalidOperationException) Error() string { return e.text }
