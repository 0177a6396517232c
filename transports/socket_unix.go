//go:build unix

package transports

import "syscall"

const canWriteNow = true

// writeNow writes to a non-blocking descriptor what it takes without waiting.
func writeNow(fd uintptr, data []byte) (int, error) {
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
