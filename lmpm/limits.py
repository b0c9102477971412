"""Every limit of lmpm, named, with its unit and the reason for its size."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# Documents read from disk: generous for people, small for an attack.
MAX_LOCK_BYTES: Final = 4 * MIB
MAX_MANIFEST_BYTES: Final = 1 * MIB
MAX_CATALOG_FILE_BYTES: Final = 4 * MIB
MAX_CASES_BYTES: Final = 64 * MIB  # of one file of cases
MAX_CASES: Final = 20_000  # in it
MAX_CASE_DATABASE_BYTES: Final = 16 * MIB  # of a database that cases are about: it is filled anew for each query
MAX_PATH_CHARS: Final = 512  # of a file inside a repository
MAX_REPO_CHARS: Final = 200
MAX_NAME_CHARS: Final = 96  # of a model in lmpm.toml
MAX_FILE_BYTES: Final = 2**63 - 1

# Notes of what was learnt before: those used longest ago make room.
MAX_NOTES: Final = 2_000  # of one kind
MAX_NOTES_BYTES: Final = 64 * MIB  # of one kind
MAX_HEADER_NOTES_BYTES: Final = 512 * MIB  # headers are 6 to 13 MB each
MAX_VERIFIED_NOTES: Final = 20_000  # files that were hashed, 300 bytes each
MAX_OWN_NAMES: Final = 100_000  # names that lmpm made in the store, 200 bytes each
FRESH_ANSWER_S: Final = 15 * 60.0  # an answer of the Hub this young stands for asking again

# Talking to the Hub.
CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_S: Final = 30.0  # after which a server counts as gone, wherever it is waited for
METADATA_ATTEMPTS: Final = 3
METADATA_BACKOFF_S: Final = 0.5
METADATA_TOTAL_S: Final = 120.0  # for one whole answer, however slowly it comes
MAX_JSON_VALUES: Final = 500_000  # of an API answer; a file in a listing has 8
MAX_REPOSITORY_FILES: Final = 20_000  # of any kind, of a repository
MAX_API_ANSWER_BYTES: Final = 64 * MIB  # repositories of 10,000 files stay far below
MAX_ERROR_BODY_BYTES: Final = 4 * KIB  # quoted in a message at most
MAX_REDIRECTS: Final = 10
MAX_RETRY_AFTER_CHARS: Final = 64  # a number or a date; more is neither
SEARCH_PAGE_ROWS: Final = 1000  # asked for; a server may give fewer
MAX_SEARCH_PAGES: Final = 6
MAX_SEARCH_ROWS: Final = 2000
MAX_QUERY_CHARS: Final = 200
MAX_GGUF_NAMES: Final = 1_000  # taken apart of one repository, 0.3 ms each; the most in 4,700 of them are 366
MAX_TAGS: Final = 2000  # of one repository

# Transfer.
CHUNK_BYTES: Final = 1 * MIB  # the fastest iter_content size measured over loopback
HASH_BLOCK_BYTES: Final = 1 * MIB  # large enough that a lock of the interpreter costs nothing beside it
TRANSFER_ATTEMPTS: Final = 5  # without a byte of progress in between
BACKOFF_BASE_S: Final = 1.0
BACKOFF_CAP_S: Final = 30.0
RETRY_AFTER_CAP_S: Final = 60.0  # a longer Retry-After ends in an error that says so
STALL_BYTES_PER_S: Final = 1 * KIB  # slower than this over SILENCE_S is a stall
CONNECTIONS: Final = 8  # at once, at most, unless the user says otherwise
MOST_CONNECTIONS: Final = 32
ENOUGH_BYTES_PER_S: Final = 250_000_000  # of one connection: as fast as slow processors hash and most disks write
GROWTH_WORTH_IT: Final = 1.1  # times the rate, for twice the connections to be kept
GAUGE_ALONE_S: Final = 0.05  # for which the first connection goes alone
GAUGE_WINDOW_S: Final = 0.5  # over which a rate is measured
GAUGE_HOLD_S: Final = 20.0  # before the number of connections is tried anew
SPLIT_BYTES: Final = 16 * MIB  # smaller files are not worth several connections
PIECE_LEAST_BYTES: Final = 2 * MIB  # a request in 0.1 s at 20 MB/s
PIECE_MOST_BYTES: Final = 32 * MIB  # what has arrived ahead of what is hashed stays below 8 of these
SPLIT_WORTH_S: Final = 1.0  # that a connection would go on after the others: splitting it wastes what was on its way
JOURNAL_STEP_BYTES: Final = 1 * MIB  # what a kill costs at most, beside what is on its way
SYNC_STEP_BYTES: Final = 32 * MIB  # what a power cut costs, as far as the disk keeps up
LEAST_RATE_LIMIT: Final = 16 * KIB  # bytes a second; less would look like a stall
RATE_PER_CONNECTION: Final = 128 * KIB  # bytes a second; a lower limit is shared by fewer connections
PROGRESS_INTERVAL_S: Final = 0.05  # between two looks at how far the connections are
CANCEL_PATIENCE_S: Final = 2.0  # for connections to end when the user interrupts
FREE_SPACE_MARGIN_BYTES: Final = 64 * MIB  # left free for everybody else

# The store.
HASH_BUFFER_BYTES: Final = 256 * KIB  # stays in the processor's cache between reading and hashing
MAX_KNOWN_PROJECTS: Final = 1000  # those used longest ago are forgotten first
PRUNE_QUIET_S: Final = 600.0  # what was brought this recently may be on its way into a lock
MAX_FOREIGN_FILES: Final = 100_000  # looked at in folders of other tools

# GGUF header: what a real header never exceeds (@huggingface/gguf uses the same kind of caps).
MAX_HEADER_BYTES: Final = 64 * MIB
HEADER_PREFIX_BYTES: Final = 64 * KIB  # holds every general.* and architecture key of real models
HEADER_STEP_BYTES: Final = 2 * MIB  # read ahead at most: a header is not paid for twice
MAX_KEYS: Final = 100_000
MAX_TENSORS: Final = 100_000
MAX_KEY_BYTES: Final = 64 * KIB
MAX_STRING_BYTES: Final = 16 * MIB
MAX_DIMS: Final = 4  # GGML_MAX_DIMS
MAX_HEADER_KEPT_BYTES: Final = (
    40 * MIB
)  # of keys, values and tensors in memory: 100,000 tensors, and ten times a real one
MAX_HEADER_WORK: Final = 3_000_000  # strings walked over, and ten for each key and tensor: real ones stay below a third

# The engine's child process.
ENGINE_SMOKE_TIMEOUT_S: Final = 300.0
ENGINE_OUTPUT_BYTES: Final = 1 * MIB  # what is kept of its messages
ENGINE_EXTRA_MEMORY_BYTES: Final = 2 * GIB  # Python, tokenizer tables, scratch: beyond the planned need

# Machine probes.
PROBE_TIMEOUT_S: Final = 3.0

# What is planned for where no task says more.
DEFAULT_CONTEXT: Final = 8192  # tokens
DEFAULT_MIN_SPEED: Final = 10.0  # tok/s: about as fast as people read
