package protocol

import "strconv"

func (*jsonProtocol) Append(dst []byte, m Message) ([]byte, error) {
	if err := check(m); err != nil {
		return dst, err
	}
	dst = append(dst, `{"type":`...)
	dst = strconv.AppendInt(dst, int64(m.Type()), 10)
	switch m := m.(type) {
	case *Invocation:
		dst = appendCall(dst, m.Headers, m.InvocationID)
		dst = append(dst, `,"target":`...)
		dst = appendString(dst, m.Target)
		dst = append(dst, `,"arguments":[`...)
		for i, argument := range m.Arguments {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendRaw(dst, argument)
		}
		dst = append(dst, ']')
		if len(m.StreamIDs) > 0 {
			dst = append(dst, `,"streamIds":[`...)
			for i, id := range m.StreamIDs {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = appendString(dst, id)
			}
			dst = append(dst, ']')
		}
	case *StreamItem:
		dst = appendCall(dst, m.Headers, m.InvocationID)
		dst = append(dst, `,"item":`...)
		dst = appendRaw(dst, m.Item)
	case *Completion:
		dst = appendCall(dst, m.Headers, m.InvocationID)
		if m.Error != "" {
			dst = append(dst, `,"error":`...)
			dst = appendString(dst, m.Error)
		} else if m.Result != nil {
			dst = append(dst, `,"result":`...)
			dst = appendRaw(dst, m.Result)
		}
	case *CancelInvocation:
		dst = appendCall(dst, m.Headers, m.InvocationID)
	case *Close:
		if m.Error != "" {
			dst = append(dst, `,"error":`...)
			dst = appendString(dst, m.Error)
		}
		if m.AllowReconnect {
			dst = append(dst, `,"allowReconnect":true`...)
		}
	case *Ack:
		dst = appendSequenceID(dst, m.SequenceID)
	case *Sequence:
		dst = appendSequenceID(dst, m.SequenceID)
	}
	return append(dst, '}', RecordSeparator), nil
}

// appendCall appends what the messages about a call share.
func appendCall(dst []byte, headers map[string]string, id string) []byte {
	if len(headers) > 0 {
		dst = append(dst, `,"headers":{`...)
		for i, name := range sortedKeys(headers) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, name)
			dst = append(dst, ':')
			dst = appendString(dst, headers[name])
		}
		dst = append(dst, '}')
	}
	if id != "" {
		dst = append(dst, `,"invocationId":`...)
		dst = appendString(dst, id)
	}
	return dst
}

func appendSequenceID(dst []byte, id int64) []byte {
	dst = append(dst, `,"sequenceId":`...)
	return strconv.AppendInt(dst, id, 10)
}

// appendRaw appends a value that is encoded already; none is null.
func appendRaw(dst []byte, raw []byte) []byte {
	if len(raw) == 0 {
		return append(dst, "null"...)
	}
	return append(dst, raw...)
}
