package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCleanName(t *testing.T) {
	t.Parallel()
	limits := Limits{Name: 10}
	for name, test := range map[string]struct{ given, want, err string }{
		"plain":               {given: "Ann", want: "Ann"},
		"white space":         {given: " \tAnn \n Lee ", want: "Ann Lee"},
		"other script":        {given: "张伟", want: "张伟"},
		"joined emoji":        {given: "👩‍💻", want: "👩‍💻"},
		"as long as may be":   {given: strings.Repeat("é", 10), want: strings.Repeat("é", 10)},
		"too long":            {given: strings.Repeat("é", 11), err: "A name has at most 10 characters."},
		"empty":               {given: "", err: "Please give a name."},
		"only white space":    {given: " \n", err: "Please give a name."},
		"control":             {given: "A\x07", err: "The name has a character that cannot be shown."},
		"turned to the left":  {given: "A\u202enn", err: "The name has a character that cannot be shown."},
		"zero-width no-break": {given: "A\ufeff", err: "The name has a character that cannot be shown."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := limits.cleanName(test.given)
			check(t, test.want, test.err, got, err)
		})
	}
}

func TestCleanRoom(t *testing.T) {
	t.Parallel()
	limits := Limits{Room: 10}
	for name, test := range map[string]struct{ given, want, err string }{
		"plain":             {given: "lobby", want: "lobby"},
		"capitals":          {given: "Lobby", want: "lobby"},
		"white space":       {given: "  Go   Talk ", want: "go-talk"},
		"other script":      {given: "Łódź_2", want: "łódź_2"},
		"as long as may be": {given: "abcdefghij", want: "abcdefghij"},
		"too long":          {given: "abcdefghijk", err: "The name of a room has at most 10 characters."},
		"empty":             {given: " ", err: "Please name a room."},
		"punctuation":       {given: "a/b", err: "The name of a room has only letters, digits, - and _."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := limits.cleanRoom(test.given)
			check(t, test.want, test.err, got, err)
		})
	}
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	limits := Limits{Text: 10}
	for name, test := range map[string]struct{ given, want, err string }{
		"lines":             {given: " one\ntwo\n", want: "one\ntwo"},
		"as long as may be": {given: strings.Repeat("ж", 10), want: strings.Repeat("ж", 10)},
		"too long":          {given: strings.Repeat("ж", 11), err: "A message has at most 10 characters."},
		"empty":             {given: " \n", err: "The message is empty."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := limits.cleanText(test.given)
			check(t, test.want, test.err, got, err)
		})
	}
}

func check(t *testing.T, want, wantErr, got string, err error) {
	t.Helper()
	if wantErr != "" {
		require.EqualError(t, err, wantErr)
		return
	}
	require.NoError(t, err)
	require.Equal(t, want, got)
}
