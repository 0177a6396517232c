//go:build race

package hubs_test

// raceDetector drops at random what is put into pools.
const raceDetector = true
