package shard

// Metrics are numbers of one store, or of all stores of a Set together.
type Metrics struct {
	Shards         int64  // stores that have a database
	DiskBytes      uint64 // of all their files
	MemTableBytes  uint64 // committed rows that are not flushed
	ZombieBytes    uint64 // kept for readers only, in memory and on disk
	CacheBytes     int64  // in the block cache; of a Set only
	CacheHits      int64  // of the block cache; of a Set only
	CacheMisses    int64  // of the block cache; of a Set only
	Compactions    int64  // done since the stores were opened
	CompactionDebt uint64 // bytes that compactions have yet to write
	Flushes        int64  // done since the stores were opened
	Files          int64  // tables
	L0Sublevels    int64  // files that a read may have to look at beyond one a level; of a Set the largest
}

func (m *Metrics) add(o Metrics) {
	m.Shards += o.Shards
	m.DiskBytes += o.DiskBytes
	m.MemTableBytes += o.MemTableBytes
	m.ZombieBytes += o.ZombieBytes
	m.CacheBytes += o.CacheBytes
	m.CacheHits += o.CacheHits
	m.CacheMisses += o.CacheMisses
	m.Compactions += o.Compactions
	m.CompactionDebt += o.CompactionDebt
	m.Flushes += o.Flushes
	m.Files += o.Files
	m.L0Sublevels = max(m.L0Sublevels, o.L0Sublevels)
}
