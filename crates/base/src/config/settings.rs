//! The table of settings, their other names, and which of them are secret or protective.

/// One row of the table that `minimax-mcp settings` and `docs/configuration.md` print.
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
        meaning: "The API key, from platform.minimax.io or platform.minimax.cn. Without it, the key that `minimax-mcp login` stored is used. Without any key the server still lists its tools, and each call says what to set. Quotes around the value are ignored, here and in every setting",
    },
    Setting {
        name: "MINIMAX_API_KEY_FILE",
        default: "none",
        meaning: "A file that contains only the key, to keep it out of the environment. When MiniMax refuses the key, the file is read again, and the call continues with a key that was replaced. `MINIMAX_API_KEY` takes precedence",
    },
    Setting {
        name: "MINIMAX_PLAN_KEY",
        default: "none",
        meaning: "The key of a subscription plan (`sk-cp-…`), if `MINIMAX_API_KEY` holds a pay-as-you-go key. With both, the plan's key buys what plans include, and the balance pays for the rest. One key alone buys everything",
    },
    Setting {
        name: "MINIMAX_PLAN_KEY_FILE",
        default: "none",
        meaning: "A file that contains only the plan's key, read again like `MINIMAX_API_KEY_FILE`. `MINIMAX_PLAN_KEY` takes precedence",
    },
    Setting {
        name: "MINIMAX_PLAN_OVERFLOW",
        default: "`refuse`",
        meaning: "With both keys: what to do with an order that the plan refuses because its window is used up or because it does not include the order. `refuse`: the call fails, and nothing is bought. `balance`: the order is sent once more, with `MINIMAX_API_KEY`, and the balance pays",
    },
    Setting {
        name: "MINIMAX_REGION",
        default: "`global`",
        meaning: "`global` (api.minimax.io) or `cn` (api.minimax.cn). A key works only in its own region",
    },
    Setting {
        name: "MINIMAX_API_HOST",
        default: "the region's host",
        meaning: "The URL of another API host, such as a gateway; overrides the region. Plain http is allowed for this machine only. `MINIMAX_API_BASE` is an alias, and a trailing `/v1` or `/anthropic` is ignored",
    },
    Setting {
        name: "MINIMAX_SANDBOX",
        default: "`false`",
        meaning: "`true` says that `MINIMAX_API_HOST` is a sandbox on this machine (`minimax-mcp sandbox`), for tests: links to this machine are fetched even if a caller gives them, polls are frequent, and no rate limits are kept. A gateway on this machine must not have it",
    },
    Setting {
        name: "MINIMAX_MCP_BASE_PATH",
        default: "`minimax` on the Desktop, or in the home folder if there is no Desktop",
        meaning: "The folder in which results are saved. With `--sandbox`, its subfolder `sandbox`",
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
        meaning: "The tools to offer: `all` (everything except `legacy`; `all,legacy` adds it), or a comma-separated list of `text`, `speech`, `video`, `image`, `music`, `files`, `jobs`, `account`, `legacy`",
    },
    Setting {
        name: "MINIMAX_READ_ONLY",
        default: "`false`",
        meaning: "With `true`, only tools that cost nothing and change nothing are offered",
    },
    Setting {
        name: "MINIMAX_BUDGET_DAY",
        default: "none",
        meaning: "The spending limit for any 24 hours, for all servers that share the data folder and the key: `5`, `5 USD` or `30 CNY`, in the region's currency. With two keys, each has this limit. A call that would exceed it, or whose price is unknown, is refused before anything is sent",
    },
    Setting {
        name: "MINIMAX_BUDGET_CALL",
        default: "none",
        meaning: "The spending limit for one call, by its estimated price; an amount as above",
    },
    Setting {
        name: "MINIMAX_BUDGET_PROCESS",
        default: "none",
        meaning: "The spending limit for this server process while it runs, with two keys for each; an amount as above",
    },
    Setting {
        name: "MINIMAX_CONFIRM_ABOVE",
        default: "none",
        meaning: "A call that costs more than this amount, or whose price is unknown, is sent only after a person has confirmed it in the client. If the client cannot ask, the call is refused. `0` asks before every call that costs anything",
    },
    Setting {
        name: "MINIMAX_TEXT_MODEL",
        default: "`MiniMax-M3.1-Flash`",
        meaning: "The chat model to use when a call does not choose one",
    },
    Setting {
        name: "MINIMAX_IMAGE_MODEL",
        default: "`image-01`",
        meaning: "The image model to use when a call does not choose one",
    },
    Setting {
        name: "MINIMAX_SPEECH_MODEL",
        default: "`speech-2.8-hd`",
        meaning: "The speech model to use when a call does not choose one",
    },
    Setting {
        name: "MINIMAX_VIDEO_MODEL",
        default: "depends on the inputs; `MiniMax-Hailuo-2.3` for text alone",
        meaning: "The video model to use when a call does not choose one",
    },
    Setting {
        name: "MINIMAX_IMAGE_PREVIEW",
        default: "`off`",
        meaning: "`on`: the result of an image job has a small JPEG of its first picture, at most 512 pixels a side, so that a model sees what was made. Off by default, because some hosts end a conversation with an error when their model cannot see images, and because the picture costs input tokens. `view_media` shows a picture when the model asks for it",
    },
    Setting {
        name: "MINIMAX_VOICE_ID",
        default: "by the text",
        meaning: "The voice for calls that name none. Without it, a voice that speaks the language of the text",
    },
    Setting {
        name: "MINIMAX_POLL_SECONDS",
        default: "`10`, or `0.3` with a sandbox",
        meaning: "The interval between status requests for a running task, in seconds: 0.05 to 60",
    },
    Setting {
        name: "MINIMAX_RATE_LIMITS",
        default: "`true`, or `false` with a sandbox",
        meaning: "`true`: requests wait in a queue so that they stay within MiniMax's documented limits (the table `limits` in `crates/platform/src/facts`; `MINIMAX_FACTS_FILE` overrides it). `false`: requests wait only after MiniMax has rejected one for its rate, and while twenty of their kind are under way",
    },
    Setting {
        name: "MINIMAX_DATA_DIR",
        default: "the platform's data folder",
        meaning: "The folder for job records. All your servers should share one folder. With `--sandbox`, its subfolder `sandbox`",
    },
    Setting {
        name: "MINIMAX_STORE_URL",
        default: "SQLite in the data folder",
        meaning: "The PostgreSQL database for job records, so that servers on several machines can share them: `postgres://USER:PASSWORD@HOST:5432/DATABASE`. Except on this machine, TLS is used and the certificate checked; `sslrootcert` names a file with your own authority, and `sslmode` may be `verify-full` (the default), `verify-ca` or `disable`. See docs/fleet.md. `--sandbox` ignores it",
    },
    Setting {
        name: "MINIMAX_FILES_URL",
        default: "the folder above",
        meaning: "An S3-compatible bucket for results and uploads, so that servers on several machines can share them: `s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION`. Without `endpoint`, AWS in that region. `virtual_hosts=true` puts the bucket into the host, `create_only=false` is for servers without conditional writes, and `credentials=instance` uses the role of the machine. Other credentials are in AWS's variables, such as `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. See docs/fleet.md. `--sandbox` ignores it",
    },
    Setting {
        name: "MINIMAX_FILES_PUBLIC_URL",
        default: "none",
        meaning: "The address of the bucket's server as clients reach it, such as `https://files.example.com`. With it, `download_url` leads there, signed for a day. Without it, callers over HTTP get links to this server",
    },
    Setting {
        name: "MINIMAX_KEEP_DAYS",
        default: "none",
        meaning: "The number of days, up to 36500, after which ended jobs are removed: their records, their costs, and their files in the results folder. Without it, and with `0`, they are kept forever. Jobs that are running, whose outcome is unknown or whose files have not been saved are never removed. `minimax-mcp prune --dry-run` counts what would go",
    },
    Setting {
        name: "MINIMAX_KEEP_BYTES",
        default: "none",
        meaning: "The size, such as `20GB`, that the results in the results folder may have together. Above it, the oldest ended jobs are removed with their files. At least `1MB`; without it, and with `0`, there is no limit. Jobs that ended less than an hour ago stay, as do those that `MINIMAX_KEEP_DAYS` never removes",
    },
    Setting {
        name: "MINIMAX_KEEP_FILES",
        default: "`false`",
        meaning: "`true`: result files stay when their records are removed, so `MINIMAX_KEEP_BYTES` has no effect. With `false`, a file is removed with its record if it is directly in the results folder and unchanged. Files in any other folder, such as an `output_directory`, always stay",
    },
    Setting {
        name: "MINIMAX_WEBHOOK_URL",
        default: "none",
        meaning: "The address that gets one signed message when a job ends, such as `https://example.com/hooks/minimax`. The form is that of Standard Webhooks; see docs/guarantees.md. A message is sent again until the address answers 2xx, for a day at most. Redirects are not followed",
    },
    Setting {
        name: "MINIMAX_WEBHOOK_SECRET",
        default: "none",
        meaning: "The key that signs these messages: `whsec_` and 24 to 64 bytes in base64. `MINIMAX_WEBHOOK_URL` needs it",
    },
    Setting {
        name: "MINIMAX_WEBHOOK_SECRET_FILE",
        default: "none",
        meaning: "A file that contains only this key. `MINIMAX_WEBHOOK_SECRET` takes precedence",
    },
    Setting {
        name: "MINIMAX_WEBHOOK_PRIVATE",
        default: "`false`",
        meaning: "`true`: `MINIMAX_WEBHOOK_URL` and the webhooks of tokens may lead to this machine or into a private network, and may be plain http",
    },
    Setting {
        name: "MINIMAX_NOTIFY",
        default: "`off`",
        meaning: "Over stdio and in `minimax-mcp gallery`: `desktop` shows a notification on this machine when a job ends, with its kind, its state and the name of its file. It needs `notify-send` on Linux, and uses `osascript` on macOS and PowerShell on Windows",
    },
    Setting {
        name: "MINIMAX_FACTS_FILE",
        default: "none",
        meaning: "A JSON file with rows that replace or extend the models, prices, limits, voices and error codes: one object, in the format of the tables in `crates/platform/src/facts`",
    },
    Setting {
        name: "MINIMAX_LOG",
        default: "`warn,minimax_mcp=info,rmcp=error`",
        meaning: "The log filter: what is logged to stderr, for example `minimax_mcp=debug`",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: "none",
        meaning: "The URL of a collector, such as `http://localhost:4318`. It receives a span for each call, each job and each request to MiniMax, as OTLP over HTTP. If this is not set, nothing is sent. OpenTelemetry's variables for sampling and batching apply too",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        default: "the endpoint above, with `/v1/traces`",
        meaning: "The full URL to which spans are posted",
    },
    Setting {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        default: "none",
        meaning: "Headers to send with spans, as comma-separated pairs: `authorization=Bearer%20…`",
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
        meaning: "More attributes of this server in traces, as comma-separated pairs: `deployment.environment=test`",
    },
    Setting {
        name: "MINIMAX_MCP_TOKEN",
        default: "none",
        meaning: "HTTP only: the token that callers send as `Authorization: Bearer …`, with at least 16 characters. Without any authentication the server accepts connections from this machine only",
    },
    Setting {
        name: "MINIMAX_MCP_TOKEN_FILE",
        default: "none",
        meaning: "HTTP only: a file with a JSON array of `{name, token, toolsets, budget_day, rate, webhook}`. Jobs and files belong to the name. `sha256`, the token's SHA-256 in hexadecimal, may replace `token`. `budget_day` is the spending limit of the token for any 24 hours, an amount as above; `rate` is its limit of tool calls per minute. `webhook`, an object of `url` and `secret`, gets the messages about the token's jobs in place of `MINIMAX_WEBHOOK_URL`. The file is read again when it changes",
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
        meaning: "HTTP only: the toolsets that each scope of an access token grants, such as `media=image+video,admin=all`",
    },
    Setting {
        name: "MINIMAX_MCP_CALLER_KEYS",
        default: "`false`",
        meaning: "HTTP only: with `true`, every request must carry its own MiniMax key in the header `X-MiniMax-Api-Key`. Jobs and files belong to that key, `MINIMAX_API_KEY` and `MINIMAX_PLAN_KEY` are never used, and budgets cover all keys together",
    },
    Setting {
        name: "MINIMAX_MCP_SHARED_ACCOUNT",
        default: "`false`",
        meaning: "HTTP only: with `true`, all callers can see, use and delete the files, tasks and voices at MiniMax whose owner is unknown, such as those made with other programs. With `false`, these belong to the user who runs the server over stdio, and callers see only their own",
    },
    Setting {
        name: "MINIMAX_MCP_HOSTS",
        default: "none",
        meaning: "HTTP only: a comma-separated list of the host names, besides localhost, that the server answers to",
    },
    Setting {
        name: "MINIMAX_MCP_ORIGINS",
        default: "none",
        meaning: "HTTP only: a comma-separated list of the origins, besides localhost, whose web pages may call the server",
    },
    Setting {
        name: "MINIMAX_MCP_PUBLIC_URL",
        default: "the address it listens on",
        meaning: "HTTP only: the server's public URL, as seen through a proxy. Links to results start with it",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_MAX_MB",
        default: "`512`",
        meaning: "HTTP only: the size limit of one upload, in MiB, up to 4096. `0` disables uploads",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_TOTAL_MB",
        default: "`2048`",
        meaning: "HTTP only: the size limit of all uploads of one caller together, in MiB. Each caller may have at most 100 uploads",
    },
    Setting {
        name: "MINIMAX_MCP_UPLOAD_HOURS",
        default: "`24`",
        meaning: "HTTP only: the time after which an upload is deleted, in hours: 1 to 720",
    },
];

/// Names of settings in other programs. They count if the setting itself is not given.
pub const ALIASES: &[(&str, &str)] = &[
    ("MINIMAX_API_HOST", "MINIMAX_API_BASE"),
    ("MINIMAX_API_RESOURCE_MODE", "MINIMAX_RESOURCE_MODE"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"),
];

/// The names of all settings, with their aliases.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name).chain(ALIASES.iter().map(|(_, alias)| *alias))
}

/// Settings whose values are never shown.
const SECRET: &[&str] = &[
    "MINIMAX_API_KEY",
    "MINIMAX_MCP_TOKEN",
    "MINIMAX_PLAN_KEY",
    "MINIMAX_STORE_URL",
    "MINIMAX_WEBHOOK_SECRET",
    "MINIMAX_WEBHOOK_URL",
    "OTEL_EXPORTER_OTLP_HEADERS",
];

/// Settings that limit what is spent, sent or deleted. If one of them was never filled in, running without it could do
/// harm, so calls are refused.
const PROTECTIVE: &[&str] = &[
    "MINIMAX_API_BASE",
    "MINIMAX_API_HOST",
    "MINIMAX_BUDGET_CALL",
    "MINIMAX_BUDGET_DAY",
    "MINIMAX_BUDGET_PROCESS",
    "MINIMAX_CONFIRM_ABOVE",
    "MINIMAX_FILES_URL",
    "MINIMAX_KEEP_BYTES",
    "MINIMAX_KEEP_DAYS",
    "MINIMAX_KEEP_FILES",
    "MINIMAX_MCP_OAUTH_AUDIENCE",
    "MINIMAX_MCP_OAUTH_ISSUER",
    "MINIMAX_MCP_OAUTH_JWKS",
    "MINIMAX_MCP_OAUTH_SCOPES",
    "MINIMAX_MCP_TOKEN",
    "MINIMAX_MCP_TOKEN_FILE",
    "MINIMAX_READ_ONLY",
    "MINIMAX_STORE_URL",
    "MINIMAX_TOOLSETS",
    "MINIMAX_WEBHOOK_SECRET",
    "MINIMAX_WEBHOOK_URL",
];

impl Setting {
    /// Whether its value is never shown.
    pub fn is_secret(&self) -> bool {
        SECRET.contains(&self.name)
    }
}

/// Whether calls are refused while the setting with this name is an unfilled placeholder.
pub(super) fn is_protective(name: &str) -> bool {
    PROTECTIVE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_contain_only_settings_and_every_setting_named_secret_is_secret() {
        for name in SECRET.iter().chain(PROTECTIVE) {
            assert!(names().any(|known| known == *name), "{name} is not a setting");
        }
        for (setting, alias) in ALIASES {
            assert!(
                SETTINGS.iter().any(|known| known.name == *setting),
                "{alias} is the alias of no setting"
            );
        }
        for setting in SETTINGS {
            let is_secret =
                ["_KEY", "_TOKEN", "_SECRET", "_HEADERS"].iter().any(|end| setting.name.ends_with(end));
            assert!(!is_secret || setting.is_secret(), "{} has to be in SECRET", setting.name);
        }
    }
}
