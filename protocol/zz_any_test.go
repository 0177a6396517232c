package protocol_test
import ("testing";"time"
"github.com/go-signalr/signalr/protocol")
func BenchmarkZZ(b *testing.B){
	p:=protocol.NewMessagePack()
	at:=time.Date(2000,1,1,0,0,0,5,time.UTC)
	raw,_:=p.AppendValue(nil,[]any{newPayload(),1,"abc",1.5,[]byte{1,2,3},at,map[string]any{"a":1,"b":"c"}})
	b.Run("any",func(b *testing.B){b.ReportAllocs(); for b.Loop(){var v any; if p.Unmarshal(raw,&v)!=nil{b.Fatal()}}})
	b.Run("time",func(b *testing.B){b.ReportAllocs();dst:=make([]byte,0,100); var v any=at;for b.Loop(){p.AppendValue(dst,v)}})
	l:=make([]payload,100); for i:=range l{l[i]=newPayload()}
	b.Run("listW",func(b *testing.B){b.ReportAllocs();dst:=make([]byte,0,100000); var v any=l;for b.Loop(){p.AppendValue(dst,v)}})
	raw2,_:=p.AppendValue(nil,l)
	b.Run("listR",func(b *testing.B){b.ReportAllocs();for b.Loop(){var v []payload; if p.Unmarshal(raw2,&v)!=nil{b.Fatal()}}})
	long,_:=p.AppendValue(nil,string(make([]byte,20000)))
	b.Run("longR",func(b *testing.B){b.ReportAllocs();for b.Loop(){var v string; if p.Unmarshal(long,&v)!=nil{b.Fatal()}}})
	ints:=make([]int,1000); for i:=range ints{ints[i]=i*i*i}
	b.Run("intsW",func(b *testing.B){b.ReportAllocs();dst:=make([]byte,0,100000); var v any=ints;for b.Loop(){p.AppendValue(dst,v)}})
	raw3,_:=p.AppendValue(nil,ints)
	b.Run("intsR",func(b *testing.B){b.ReportAllocs();for b.Loop(){var v []int; if p.Unmarshal(raw3,&v)!=nil{b.Fatal()}}})
}
