package sim

// Kept is a seed that once showed a mistake.
type Kept struct {
	Seed uint64
	Was  string
}

// KeptSeeds are run by every test. A change of the simulation changes what its seeds do: then they are only some seeds
// more, and the one that shows the mistake again is to be found by undoing its repair.
var KeptSeeds = []Kept{
	{8, "two lookups of one dedupe id were answered in the other order: the repeat was kept, and the first message lost its place"},
	{21, "the same, as it was first seen"},
	{179, "after a restore an idle worker never told that it had handed over the restore point, so that others' records were not published"},
	{829, "two repeats that were in channels at one cut both became rows of its snapshot, and were consumed both"},
	{157, "a shard that was restored in the middle of the sweep's round was not swept: what expired there stayed"},
	{1486, "a node of an overtaken generation still restored from segments that the new leader had deleted"},
	{441, "hot Addresses with tiny memory drain slowly, one invocation a checkpoint: slow is not stuck"},
	{3, "a list of shards from before a split had the tombstones forgotten of shards that were read to their ends: they were read again"},
	{492, "a stream read from its latest record on was asked for its shards again before its first start was committed, and began a second time"},
	{30003, "an item that was to be a probe of a group endpoint waited for company, and nobody for the end of that: the endpoint stood"},
}
