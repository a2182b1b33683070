//! How RocksDB is set up: durable first, then small.

use std::path::Path;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, Error, InfoLogger,
    LogLevel, Options, WriteOptions,
};

use super::family::Family;

/// Rows of one family that wait in memory before they are written to a file.
const WRITE_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// The same for all families together; above it the fullest is written out.
const WRITE_BUFFERS_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Unit in which a write buffer grows. The default of 1 MiB would cost 15 MiB with one row in each family.
const ARENA_BLOCK_BYTES: usize = 128 * 1024;
/// Blocks, indexes and filters in memory, for all families together.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Open table files. A million envelopes are a few hundred files.
const OPEN_FILES_MAX: i32 = 256;
/// Write-ahead log before the oldest families are written out. Also bounds the time of a start.
const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Size of a table file. A purge rewrites the files around a row, so smaller ones make it cheaper.
const TABLE_BYTES: u64 = 32 * 1024 * 1024;
/// Manifest before it is started anew.
const MANIFEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bits of filter for each row key: one in a hundred looks for an absent row touches a file.
const FILTER_BITS: f64 = 10.0;
/// Characters of a line of RocksDB that reach our log.
const LINE_CHARS_MAX: usize = 300;

/// Opens the database for reading and writing, all families of [`Family::ALL`] and the default one.
pub(super) fn open(folder: &Path, create: bool) -> Result<DB, Error> {
    let cache = Cache::new_lru_cache(CACHE_BYTES);
    let mut options = database();
    options.create_if_missing(create);
    options.create_missing_column_families(true);
    let families = Family::ALL
        .iter()
        .map(|it| it.name())
        .chain([rocksdb::DEFAULT_COLUMN_FAMILY_NAME]);
    DB::open_cf_with_opts(&options, folder, families.map(|name| (name, family(&cache))))
}

/// Opens only the default family, and only for reading: not one byte in `folder` changes.
pub(super) fn inspect(folder: &Path) -> Result<DB, Error> {
    DB::open_cf_for_read_only(&database(), folder, [rocksdb::DEFAULT_COLUMN_FAMILY_NAME], false)
}

/// Every write is on stable storage before it returns. The default of RocksDB is not to wait.
pub(super) fn durable() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(true);
    options.disable_wal(false);
    options
}

fn database() -> Options {
    let mut options = Options::default();
    // A record that is torn by a loss of power was never acknowledged and is dropped. RocksDB cannot tell
    // it from one that the disk has altered; `wal` can, and is asked first.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    // A whole log file that is missing or cut off stops the start.
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    // A log file that is used again keeps old records behind the new ones, where a purge misses them.
    options.set_recycle_log_file_num(0);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);

    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);

    // With a logger of ours RocksDB writes no log file of its own: nothing to bound, nothing to leak.
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, log));
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn family(cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_cache_index_and_filter_blocks(true);
    // In two levels: a whole index would not fit into the cache with a million rows, and would be read
    // again for each of them.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_bloom_filter(FILTER_BITS, false);

    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_arena_block_size(ARENA_BLOCK_BYTES);
    options.set_target_file_size_base(TABLE_BYTES);
    // Values are ciphertext: there is nothing to compress, and lengths would start to tell things.
    options.set_compression_type(DBCompressionType::None);
    options
}

fn log(level: LogLevel, line: &str) {
    let line: String = line.trim_end().chars().take(LINE_CHARS_MAX).collect();
    match level {
        LogLevel::Warn => tracing::warn!(error = line, "database"),
        LogLevel::Error | LogLevel::Fatal => tracing::error!(error = line, "database"),
        LogLevel::Debug | LogLevel::Info | LogLevel::Header => {}
    }
}

#[cfg(test)]
mod tests {
    use rocksdb::statistics::Ticker;

    use super::*;

    #[test]
    fn every_write_waits_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = database();
        options.create_if_missing(true);
        options.enable_statistics();
        let db = DB::open(&options, folder.path()).unwrap();
        let syncs = || options.get_ticker_count(Ticker::WalFileSynced);

        let before = syncs();
        db.put(b"a", b"1").unwrap();
        assert_eq!(
            syncs(),
            before,
            "the default does not wait, so the count tells something"
        );
        for n in 1..=3 {
            db.put_opt(b"a", b"1", &durable()).unwrap();
            assert_eq!(syncs(), before + n);
        }
    }
}
