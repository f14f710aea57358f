//! The table of settings.

/// One row of the table that `--help` and `docs/configuration.md` print.
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
        meaning: "The API key, from platform.minimax.io or platform.minimax.cn. Without a key the server still lists its tools, and each call says what to set",
    },
    Setting {
        name: "MINIMAX_API_KEY_FILE",
        default: "none",
        meaning: "A file that contains only the key, to keep it out of the environment. `MINIMAX_API_KEY` takes precedence",
    },
    Setting {
        name: "MINIMAX_PLAN_KEY",
        default: "none",
        meaning: "The key of a subscription plan (`sk-cp-…`), beside the pay-as-you-go key in `MINIMAX_API_KEY`. With both, what plans include is bought with the plan's key and the rest from the balance. With one of the two, that key buys everything",
    },
    Setting {
        name: "MINIMAX_PLAN_KEY_FILE",
        default: "none",
        meaning: "A file that contains only the plan's key. `MINIMAX_PLAN_KEY` takes precedence",
    },
    Setting {
        name: "MINIMAX_PLAN_OVERFLOW",
        default: "`refuse`",
        meaning: "With both keys: what happens to an order that the plan refuses because its window is used up or because it does not include the order. `refuse`: the call fails and nothing is bought. `balance`: the order is sent once more, with the other key, and is paid from the balance",
    },
    Setting {
        name: "MINIMAX_REGION",
        default: "`global`",
        meaning: "`global` (api.minimax.io) or `cn` (api.minimax.cn). A key works only in its own region",
    },
    Setting {
        name: "MINIMAX_API_HOST",
        default: "the region's host",
        meaning: "A different API host, as a URL; overrides the region. Plain http is accepted for this machine only. `MINIMAX_API_BASE` is an alias, and a trailing `/v1` or `/anthropic` is dropped",
    },
    Setting {
        name: "MINIMAX_MCP_BASE_PATH",
        default: "`minimax` on the Desktop, or in the home folder if there is no Desktop",
        meaning: "The folder where results are saved",
    },
    Setting {
        name: "MINIMAX_API_RESOURCE_MODE",
        default: "`local`",
        meaning: "`local`: return each result as a file and a link. `url`: return the link only. `MINIMAX_RESOURCE_MODE` is an alias",
    },
    Setting {
        name: "MINIMAX_ALLOWED_DIRS",
        default: "none",
        meaning: "More folders that tools may read inputs from and save results in, separated as in PATH. `.` is the folder in which the server was started. Always allowed are the base folder, the media folders of the home folder and, over stdio, the folders that the client has open (its roots)",
    },
    Setting {
        name: "MINIMAX_TOOLSETS",
        default: "`all`",
        meaning: "Which tools are offered: `all` (everything except `legacy`; `all,legacy` adds it), or a comma-separated list of `text`, `speech`, `video`, `image`, `music`, `files`, `jobs`, `account`, `legacy`",
    },
    Setting {
        name: "MINIMAX_READ_ONLY",
        default: "`false`",
        meaning: "`true` offers only tools that cost nothing and change nothing",
    },
    Setting {
        name: "MINIMAX_BUDGET_DAY",
        default: "none",
        meaning: "The most that may be spent in any 24 hours by all servers that share the data folder and the key (with a plan's key beside it, by each of the two): `5`, `5 USD` or `30 CNY`, in the region's currency. A call that would exceed it, or whose price is unknown, is refused before anything is sent",
    },
    Setting {
        name: "MINIMAX_BUDGET_CALL",
        default: "none",
        meaning: "The most that one call may cost, by its estimate; an amount as above",
    },
    Setting {
        name: "MINIMAX_BUDGET_PROCESS",
        default: "none",
        meaning: "The most that this server process may spend with one key while it runs; an amount as above",
    },
    Setting {
        name: "MINIMAX_CONFIRM_ABOVE",
        default: "none",
        meaning: "A call that costs more, or whose price is unknown, is sent only after the client has asked a person. If the client cannot ask, the call is refused. `0` asks before every call that costs anything",
    },
    Setting {
        name: "MINIMAX_TEXT_MODEL",
        default: "`MiniMax-M3.1-Flash`",
        meaning: "The chat model for calls that name none",
    },
    Setting {
        name: "MINIMAX_IMAGE_MODEL",
        default: "`image-01`",
        meaning: "The image model for calls that name none",
    },
    Setting {
        name: "MINIMAX_SPEECH_MODEL",
        default: "`speech-2.8-hd`",
        meaning: "The speech model for calls that name none",
    },
    Setting {
        name: "MINIMAX_VIDEO_MODEL",
        default: "chosen by the inputs; `MiniMax-Hailuo-2.3` for text alone",
        meaning: "The video model for calls that name none",
    },
    Setting {
        name: "MINIMAX_VOICE_ID",
        default: "by the text",
        meaning: "The voice for calls that name none. Without it, a voice that speaks the language of the text",
    },
    Setting {
        name: "MINIMAX_POLL_SECONDS",
        default: "`10`, or `0.3` when the API is on this machine",
        meaning: "How often to poll a running task, in seconds: 0.05 to 60",
    },
    Setting {
        name: "MINIMAX_RATE_LIMITS",
        default: "`true`, or `false` when the API is on this machine",
        meaning: "`true`: requests queue so that MiniMax's documented limits are kept (the table `limits` in `src/facts`; `MINIMAX_FACTS_FILE` overrides it). `false`: requests wait only after MiniMax has throttled one",
    },
    Setting {
        name: "MINIMAX_DATA_DIR",
        default: "the platform's data folder",
        meaning: "Where job records are kept. All your servers should share one folder",
    },
    Setting {
        name: "MINIMAX_KEEP_DAYS",
        default: "`90`",
        meaning: "How many days to keep the records of ended jobs and their costs, up to 36500; `0` keeps them forever. Jobs that are running, whose outcome is unknown or whose files have not arrived are never removed, and files on disk are not touched",
    },
    Setting {
        name: "MINIMAX_FACTS_FILE",
        default: "none",
        meaning: "A JSON file whose rows replace or extend models, prices, limits, voices and error codes: the tables in `src/facts`, in the same shape, in one object",
    },
    Setting {
        name: "MINIMAX_LOG",
        default: "`warn,minimax_mcp=info,rmcp=error`",
        meaning: "What is logged to stderr, as a tracing filter",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: "none",
        meaning: "A collector, such as `http://localhost:4318`, that receives a span for each call, each job and each request to MiniMax, as OTLP over HTTP. Unset, nothing is sent. OpenTelemetry's other variables for sampling and batching apply too",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        default: "the endpoint above, with `/v1/traces`",
        meaning: "The full URL that spans are posted to",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        default: "none",
        meaning: "Headers sent with spans, as comma-separated pairs: `authorization=Bearer%20…`",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_PROTOCOL",
        default: "`http/protobuf`",
        meaning: "`http/protobuf` or `http/json`",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_TIMEOUT",
        default: "`10000`",
        meaning: "How long to wait for the collector, in milliseconds",
    },
    Setting {
        name: "OTEL_SERVICE_NAME",
        default: "`minimax-mcp`",
        meaning: "The name of this server in traces",
    },
    Setting {
        name: "OTEL_RESOURCE_ATTRIBUTES",
        default: "none",
        meaning: "Other attributes of this server in traces, as comma-separated pairs: `deployment.environment=test`",
    },
    Setting {
        name: "MINIMAX_MCP_TOKEN",
        default: "none",
        meaning: "HTTP only: the token that callers send as `Authorization: Bearer …`, at least 16 characters. Without any authentication the server accepts connections from this machine only",
    },
    Setting {
        name: "MINIMAX_MCP_TOKEN_FILE",
        default: "none",
        meaning: "HTTP only: a JSON array of `{name, token, toolsets, budget_day, rate}`. Jobs and files belong to the name. `sha256`, the token's SHA-256 in hexadecimal, may replace `token`. `budget_day` is the most that the token may spend in any 24 hours, an amount as above; `rate` is how many tool calls it may make per minute. The file is read again when it changes",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_ISSUER",
        default: "none",
        meaning: "HTTP only: the identity provider whose access tokens (JWT) are accepted. It must equal the `iss` claim exactly. Jobs and files belong to the token's subject. The tokens of the two settings above keep working",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_AUDIENCE",
        default: "the public URL of `/mcp`",
        meaning: "HTTP only: the value that an access token's `aud` claim must contain",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_JWKS",
        default: "from the issuer's metadata",
        meaning: "HTTP only: the URL of the issuer's public keys",
    },
    Setting {
        name: "MINIMAX_MCP_OAUTH_SCOPES",
        default: "`minimax:all`, and `minimax:TOOLSET` for each toolset on offer",
        meaning: "HTTP only: which scope of an access token grants which toolsets, such as `media=image+video,admin=all`",
    },
    Setting {
        name: "MINIMAX_MCP_CALLER_KEYS",
        default: "`false`",
        meaning: "HTTP only: with `true`, every request must carry its own MiniMax key in the header `X-MiniMax-Api-Key`. Jobs and files belong to that key, `MINIMAX_API_KEY` and `MINIMAX_PLAN_KEY` are never used, and budgets cover all keys together",
    },
    Setting {
        name: "MINIMAX_MCP_SHARED_ACCOUNT",
        default: "`false`",
        meaning: "HTTP with several callers: `true` lets all of them see, use and delete the files, tasks and voices at MiniMax whose owner is unknown, such as those made with other programs. With `false` these belong to the user who runs the server over stdio, and callers have only their own",
    },
    Setting {
        name: "MINIMAX_MCP_HOSTS",
        default: "none",
        meaning: "HTTP only: host names that the server answers to, besides localhost, separated by commas",
    },
    Setting {
        name: "MINIMAX_MCP_ORIGINS",
        default: "none",
        meaning: "HTTP only: origins whose pages may call the server, besides localhost, separated by commas",
    },
    Setting {
        name: "MINIMAX_MCP_PUBLIC_URL",
        default: "the address it listens on",
        meaning: "HTTP only: the server's public URL, as seen through a proxy. Links to results start with it",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_MAX_MB",
        default: "`512`",
        meaning: "HTTP only: the largest file that `/uploads` accepts, in MiB, up to 4096. `0` closes the route",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_TOTAL_MB",
        default: "`2048`",
        meaning: "HTTP only: how much one caller may have uploaded at a time, in MiB, in at most 100 files",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_HOURS",
        default: "`24`",
        meaning: "HTTP only: how long uploads are kept, in hours: 1 to 720",
    },
];
