//go:build !unix

package transports

import "errors"

const canTry = false

var errWouldWait = errors.ErrUnsupported

func tryRead(uintptr, []byte) (int, error) { return 0, errWouldWait }

func tryWrite(uintptr, []byte) (int, error) { return 0, nil }
