package typescript_test

import (
	"iter"
	"os"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/typescript"
)

// Quote is a price at a moment.
type Quote struct {
	Symbol string   `json:"symbol"`
	Price  float64  `json:"price"`
	Tags   []string `json:"tags,omitempty"`
}

// Stocks is the hub to declare.
type Stocks struct{}

// Buy returns the number of shares bought.
func (*Stocks) Buy(_ *hubs.Context, symbol string, limit *float64) (int, error) { return 0, nil }

// Watch streams quotes.
func (*Stocks) Watch(_ *hubs.Context, symbols []string) iter.Seq2[Quote, error] { return nil }

func ExampleWrite() {
	stocks, err := hubs.New(&Stocks{})
	if err != nil {
		panic(err)
	}
	if err := typescript.Write(os.Stdout, stocks, hubs.NewEvent1[Quote]("traded", "quote")); err != nil {
		panic(err)
	}
	// Output:
	// // Code generated from the hub "Stocks". DO NOT EDIT.
	//
	// import type * as signalR from "@microsoft/signalr";
	//
	// export interface Quote {
	//   symbol: string;
	//   price: number;
	//   tags?: string[];
	// }
	//
	// /** A HubConnection that knows the methods of the hub and of its clients. */
	// export interface StocksConnection extends signalR.HubConnection {
	//   invoke<T>(methodName: never): Promise<T>;
	//   /** Buy returns the number of shares bought. */
	//   invoke(methodName: "Buy", symbol: string, limit: number | null): Promise<number>;
	//   /** Buy returns the number of shares bought. */
	//   send(methodName: "Buy", symbol: string, limit: number | null): Promise<void>;
	//   stream<T>(methodName: never): signalR.IStreamResult<T>;
	//   /** Watch streams quotes. */
	//   stream(methodName: "Watch", symbols: string[]): signalR.IStreamResult<Quote>;
	//   on(methodName: "traded", handler: (quote: Quote) => void): void;
	//   off(methodName: "traded", handler?: (quote: Quote) => void): void;
	// }
}
