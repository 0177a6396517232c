//go:build !race

package hubs_test

const raceDetector = false
