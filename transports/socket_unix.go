//go:build unix

package transports

import "syscall"

// canTry says that a socket can be asked what it does without waiting.
const canTry = true

// errWouldWait says that there is nothing to read.
const errWouldWait = syscall.EAGAIN

// tryRead reads from a non-blocking descriptor what is there. Nothing without an
// error is the end.
func tryRead(fd uintptr, into []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), into)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// tryWrite writes to a non-blocking descriptor what it takes without waiting.
func tryWrite(fd uintptr, data []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), data)
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}
