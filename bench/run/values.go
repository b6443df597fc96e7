package main

import (
	"math"

	"github.com/stateway/stateway/test/harness"
)

// values are what a row measured, by name; what could not be measured is not there.
type values map[string]float64

// The names of values, as they stand in the JSON file.
const (
	messagesPerSecond     = "messagesPerSecond"
	requestsPerSecond     = "requestsPerSecond"
	messagesPerRequest    = "messagesPerRequest"
	groupsPerSecond       = "groupsPerSecond"
	itemsPerGroup         = "itemsPerGroup"
	groupsPerThousand     = "groupsPerThousandMessages"
	poisonRate            = "poisonTurnsMessagesRatio" // messages a second of turns with poison, as a part of those of turns without
	poisonCost            = "poisonTurnsCPURatio"      // the same of the CPU time of node and functions a message
	deadPerSecond         = "deadLettersPerSecond"
	recordsPerMessage     = "recordsPerMessage"
	nodeMicros            = "nodeCPUMicrosPerMessage"
	functionMicros        = "functionCPUMicrosPerMessage"
	latencyP50            = "latencyP50Millis"
	latencyP99            = "latencyP99Millis"
	cutP99                = "cutP99Millis"
	residentMB            = "residentMB"
	peakMB                = "peakResidentMB"
	segmentRatio          = "segmentBytesPerRowByte"
	storedRatio           = "storedBytesPerRowByte"
	storedBytesPerMessage = "storedBytesPerMessage"
	baseBytesPerMessage   = "baseBytesPerMessage"
	checkpointsPerSecond  = "checkpointsPerSecond"
	seconds               = "seconds"
	clientMicros          = "clientCPUMicrosPerRequest"
	recordsInPerSecond    = "recordsInPerSecond"
	recordsOutPerSecond   = "recordsOutPerSecond"
	serverMicros          = "serverCPUMicrosPerRecord"
	nodeCores             = "nodeCores"
	serverCores           = "serverCores"
	putMicros             = "serverCPUMicrosPerRecordPut"
	recordsPerCall        = "recordsPerCall"
	recordsPerCPUSecond   = "recordsPerCPUSecond"
	megabytesPerSecond    = "megabytesPerSecond"
	restoreSeconds        = "restoreSeconds"
	syncedSeconds         = "syncedDownloadSeconds"
	unsyncedSeconds       = "downloadSeconds"
	restoreRatio          = "restorePerSyncedDownload"
	restoreUnsyncedRatio  = "restorePerDownload"
)

// quantile sets a value to a quantile, in milliseconds, of what a histogram of seconds counted between two samples.
func (v values) quantile(name string, before, after sample, metric string, q float64) {
	x := harness.Quantile(before.metrics.Buckets(metric), after.metrics.Buckets(metric), q)
	if !math.IsNaN(x) {
		v[name] = x * 1000
	}
}

// ratio sets a value to a/b unless one of them is not there.
func (v values) ratio(name string, a, b float64) {
	if a > 0 && b > 0 {
		v[name] = a / b
	}
}
