//! The table of settings.

/// One row of the table that `--help` and README print.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// The default, in words.
    pub default: &'static str,
    /// What the setting does and which values are legal.
    pub meaning: &'static str,
}

/// All settings, in the order in which a new user needs them.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "MINIMAX_API_KEY",
        default: "none",
        meaning: "The key, from platform.minimax.io or platform.minimax.cn. Without one the tools are listed and each call says what to set",
    },
    Setting {
        name: "MINIMAX_API_KEY_FILE",
        default: "none",
        meaning: "A file with the key alone, for those who keep secrets out of the environment. `MINIMAX_API_KEY` goes first",
    },
    Setting {
        name: "MINIMAX_REGION",
        default: "`global`",
        meaning: "`global` (api.minimax.io) or `cn` (api.minimax.cn). A key works in its own region only",
    },
    Setting {
        name: "MINIMAX_API_HOST",
        default: "the region's",
        meaning: "Another API host, as a URL; overrides the region. Plain http only for this machine. `MINIMAX_API_BASE` is read too, and a trailing `/v1` or `/anthropic` is dropped",
    },
    Setting {
        name: "MINIMAX_MCP_BASE_PATH",
        default: "`minimax` on the Desktop, else in the home folder",
        meaning: "The folder that results are saved in",
    },
    Setting {
        name: "MINIMAX_API_RESOURCE_MODE",
        default: "`local`",
        meaning: "`local`: each result as a file and as a link. `url`: as a link alone. `MINIMAX_RESOURCE_MODE` is read too",
    },
    Setting {
        name: "MINIMAX_ALLOWED_DIRS",
        default: "none",
        meaning: "More folders that inputs may be read from and results saved in, separated as in PATH. The base folder and the home folder's media folders are always allowed",
    },
    Setting {
        name: "MINIMAX_TOOLSETS",
        default: "`all`",
        meaning: "Which tools are offered: `all` (all but `legacy`; `all,legacy` adds it), or some of `text`, `speech`, `video`, `image`, `music`, `files`, `jobs`, `account`, `legacy`, separated by commas",
    },
    Setting {
        name: "MINIMAX_READ_ONLY",
        default: "`false`",
        meaning: "`true` offers only the tools that neither cost money nor change anything",
    },
    Setting {
        name: "MINIMAX_BUDGET_DAY",
        default: "none",
        meaning: "What may be spent in any 24 hours by all servers that share the data folder and the key: `5`, `5 USD`, `30 CNY`, in the region's currency. What would exceed it, or has no known price, is refused before anything is sent",
    },
    Setting {
        name: "MINIMAX_BUDGET_CALL",
        default: "none",
        meaning: "What one call may cost, by its estimate; an amount as above",
    },
    Setting {
        name: "MINIMAX_BUDGET_PROCESS",
        default: "none",
        meaning: "What this server may spend from its start to its end; an amount as above",
    },
    Setting {
        name: "MINIMAX_CONFIRM_ABOVE",
        default: "none",
        meaning: "A dearer call, or one without a known price, is made only after the client has asked a person; where it cannot ask, the call is refused. `0` asks about every call that costs anything",
    },
    Setting {
        name: "MINIMAX_TEXT_MODEL",
        default: "`MiniMax-M3.1-Flash`",
        meaning: "The chat model of calls that name none",
    },
    Setting {
        name: "MINIMAX_IMAGE_MODEL",
        default: "`image-01`",
        meaning: "The image model of calls that name none",
    },
    Setting {
        name: "MINIMAX_SPEECH_MODEL",
        default: "`speech-2.8-hd`",
        meaning: "The speech model of calls that name none",
    },
    Setting {
        name: "MINIMAX_VIDEO_MODEL",
        default: "by the inputs, `MiniMax-Hailuo-2.3` for text",
        meaning: "The video model of calls that name none",
    },
    Setting {
        name: "MINIMAX_VOICE_ID",
        default: "`female-shaonv`",
        meaning: "The voice of calls that name none",
    },
    Setting {
        name: "MINIMAX_POLL_SECONDS",
        default: "`10`, or `0.3` when the API is on this machine",
        meaning: "How often a running task is looked at, 0.05 to 60",
    },
    Setting {
        name: "MINIMAX_RATE_LIMITS",
        default: "`true`, or `false` when the API is on this machine",
        meaning: "`true`: requests wait in line so that MiniMax's documented limits are kept (the table `limits` in `src/facts`; MINIMAX_FACTS_FILE changes it). `false`: they wait only after a refusal",
    },
    Setting {
        name: "MINIMAX_DATA_DIR",
        default: "the platform's data folder",
        meaning: "Where job records are kept. Every server of yours should share one",
    },
    Setting {
        name: "MINIMAX_KEEP_DAYS",
        default: "`90`",
        meaning: "How many days ended jobs, and what they cost, are kept in the records, to 36500; `0` keeps them for good. Jobs that run, whose outcome is unknown or whose files have not arrived stay, and files on disk are not touched",
    },
    Setting {
        name: "MINIMAX_FACTS_FILE",
        default: "none",
        meaning: "A JSON file of rows that replace or add models, prices, limits, voices and error codes, in the shape of the tables in `src/facts`, all in one object",
    },
    Setting {
        name: "MINIMAX_LOG",
        default: "`warn,minimax_mcp=info,rmcp=error`",
        meaning: "What is logged to stderr, as a tracing filter",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: "none",
        meaning: "A collector, such as `http://localhost:4318`, that gets a span of each call, of each job and of each request to MiniMax, by OTLP over HTTP. Without it nothing is sent. OpenTelemetry's other variables for sampling and batches hold too",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        default: "the one above with `/v1/traces`",
        meaning: "The whole address that spans are posted to",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        default: "none",
        meaning: "What is sent along with spans: `authorization=Bearer%20…`, pairs with commas between them",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_PROTOCOL",
        default: "`http/protobuf`",
        meaning: "`http/protobuf` or `http/json`",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_TIMEOUT",
        default: "`10000`",
        meaning: "How many milliseconds the collector may take",
    },
    Setting {
        name: "OTEL_SERVICE_NAME",
        default: "`minimax-mcp`",
        meaning: "What this server is called in traces",
    },
    Setting {
        name: "OTEL_RESOURCE_ATTRIBUTES",
        default: "none",
        meaning: "What else is said of this server in traces: `deployment.environment=test`, pairs with commas between them",
    },
    Setting {
        name: "MINIMAX_MCP_TOKEN",
        default: "none",
        meaning: "Over HTTP: what callers send as `Authorization: Bearer …`, 16 characters or more. Without it only this machine is listened to",
    },
    Setting {
        name: "MINIMAX_MCP_TOKEN_FILE",
        default: "none",
        meaning: "Over HTTP: a JSON array of `{name, token, toolsets, budget_day, rate}`; jobs and files belong to the name. `sha256` may stand for `token`: the SHA-256 of it, in hexadecimal digits. `budget_day` is what the token may spend in any 24 hours, an amount as above, `rate` how many tool calls it may make a minute. The file is read anew when it changes",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_ISSUER",
        default: "none",
        meaning: "Over HTTP: the identity provider whose access tokens (JWT) are taken, to the letter as it stands in their `iss`; jobs and files belong to the token's subject. Tokens of the two settings above are taken beside them",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_AUDIENCE",
        default: "the public URL of `/mcp`",
        meaning: "Over HTTP: what has to stand in an access token's `aud`",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_JWKS",
        default: "as the issuer's metadata say",
        meaning: "Over HTTP: the URL of the issuer's public keys",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_SCOPES",
        default: "`minimax:all` and `minimax:GROUP` for each group on offer",
        meaning: "Over HTTP: which scope of an access token gives which groups of tools, as in `media=image+video,admin=all`",
    },
    Setting {
        name: "MINIMAX_MCP_CALLER_KEYS",
        default: "`false`",
        meaning: "Over HTTP: `true` has each request bring its own MiniMax key, in the header `X-MiniMax-Api-Key`. Jobs and files belong to the key, and MINIMAX_API_KEY is not used for anybody; budgets hold for all keys together",
    },
    Setting {
        name: "MINIMAX_MCP_SHARED_ACCOUNT",
        default: "`false`",
        meaning: "Over HTTP with several callers: `true` lets all of them see, use and delete the files, tasks and voices at MiniMax that have no known owner, such as those that were made elsewhere. With `false` these belong to the user who runs the server over stdio, and each caller has their own alone",
    },
    Setting {
        name: "MINIMAX_MCP_HOSTS",
        default: "none",
        meaning: "Over HTTP: names besides localhost that the server answers to, separated by commas",
    },
    Setting {
        name: "MINIMAX_MCP_ORIGINS",
        default: "none",
        meaning: "Over HTTP: origins besides localhost whose pages may call, separated by commas",
    },
    Setting {
        name: "MINIMAX_MCP_PUBLIC_URL",
        default: "the address it listens on",
        meaning: "Over HTTP: what links to results begin with, as a proxy in front shows it",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_MAX_MB",
        default: "`512`",
        meaning: "Over HTTP: how large a file may be that is handed in at `/uploads`, in MiB, to 4096. `0` closes the route",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_TOTAL_MB",
        default: "`2048`",
        meaning: "Over HTTP: how much of that one caller may have lying here at a time, in MiB, in 100 files",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_HOURS",
        default: "`24`",
        meaning: "Over HTTP: how long such a file is kept, 1 to 720",
    },
];
