//! The texts of `doctor`.

super::texts! {
    title(version, protocol) {
        "minimax-mcp {version}, MCP up to {protocol}",
        "minimax-mcp {version}，MCP 最高支持 {protocol}"
    }
    mark_ok() { "ok", "正常" }
    mark_warning() { "warning", "警告" }
    mark_wrong() { "wrong", "错误" }
    check_settings() { "settings", "设置" }
    check_key() { "key", "密钥" }
    check_network() { "network", "网络" }
    check_clock() { "clock", "时钟" }
    check_region() { "region", "区域" }
    check_account() { "account", "账户" }
    check_records() { "records", "数据目录" }
    check_results() { "results", "结果目录" }
    check_inputs() { "inputs", "输入目录" }
    check_jobs() { "jobs", "任务" }
    check_player() { "player", "播放器" }
    check_clients() { "clients", "客户端" }
    bucket_good(bucket) { "results go to {bucket}, which answers", "结果保存到 {bucket}，它有应答" }
    bucket_refused_fix() {
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and the policy of the bucket: docs/fleet.md lists what it must allow",
        "请检查 AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY，以及存储桶的策略：所需权限见 docs/fleet.md"
    }
    bucket_missing_fix() { "make the bucket, or correct MINIMAX_FILES_URL", "请创建存储桶，或更正 MINIMAX_FILES_URL" }
    bucket_away_fix() {
        "check endpoint and region in MINIMAX_FILES_URL, and that this machine reaches the server",
        "请检查 MINIMAX_FILES_URL 中的 endpoint 和 region，以及本机能否连到该服务器"
    }
    one_wrong() { "1 check found something wrong", "有 1 项检查发现错误" }
    some_wrong(count) { "{count} checks found something wrong", "有 {count} 项检查发现错误" }

    setting_fix(name) {
        "Correct {name} and restart the server; until then calls are refused",
        "请改正 {name} 并重启服务器；在此之前所有调用都会被拒绝"
    }
    stored_key_fix() { "Run `minimax-mcp login` again", "请重新运行 `minimax-mcp login`" }
    setting_warning_fix(name) { "Correct or remove {name}", "请改正或删除 {name}" }
    settings_good() { "no mistake found", "没有发现问题" }

    key_none(why) { "no MiniMax API key is set{why}", "没有设置 MiniMax API 密钥{why}" }
    key_none_why(why) { ": {why}", "：{why}" }
    key_none_fix() {
        "Set MINIMAX_API_KEY, or run `minimax-mcp login`. Keys: platform.minimax.io (MINIMAX_REGION=global) or platform.minimax.cn (MINIMAX_REGION=cn). To try without one: `minimax-mcp demo`",
        "请设置 MINIMAX_API_KEY，或者运行 `minimax-mcp login`。密钥在 platform.minimax.io（MINIMAX_REGION=global）或 platform.minimax.cn（MINIMAX_REGION=cn）获取。想先不用密钥试用：`minimax-mcp demo`"
    }
    key_of_client(client, file, key) {
        "no MiniMax API key is set in this shell, so the account was not checked; {client} has one in {file} ({key})",
        "当前 shell 没有设置 MiniMax API 密钥，所以没有检查账户；{client} 的 {file} 里有一个（{key}）"
    }
    key_of_client_fix() {
        "Run `minimax-mcp login` once, and every client and shell uses the same key; or run the doctor with MINIMAX_API_KEY set to it",
        "运行一次 `minimax-mcp login`，所有客户端和 shell 就使用同一个密钥；或者把 MINIMAX_API_KEY 设为这个密钥后再运行 doctor"
    }
    key_found(key, source, kind) { "{key} from {source}, {kind}", "{key}，来自 {source}，{kind}" }
    key_plan() {
        "the key of a subscription plan: it pays only for what the plan includes, and everything else is refused (2061)",
        "订阅套餐的密钥：只能用于套餐包含的内容，其他一律被拒绝（2061）"
    }
    key_plan_beside() {
        "the key of a subscription plan: it pays for what the plan includes, and the key in MINIMAX_API_KEY pays for the rest",
        "订阅套餐的密钥：用于套餐包含的内容，其他内容由 MINIMAX_API_KEY 里的密钥付费"
    }
    key_plan_fix() {
        "Nothing, if the plan includes what you use. Plans often exclude video, music and voice cloning: for these set MINIMAX_API_KEY to a pay-as-you-go key (sk-api-…), and MINIMAX_PLAN_KEY to the plan's key",
        "如果套餐包含你要用的功能，就不用处理。套餐通常不包含视频、音乐和声音克隆：要用这些，请把 MINIMAX_API_KEY 设为按量付费的密钥（sk-api-…），把 MINIMAX_PLAN_KEY 设为套餐的密钥"
    }
    key_balance() { "a pay-as-you-go key: it pays from the balance", "按量付费的密钥：从余额扣费" }
    key_other() { "its prefix does not show what kind of key it is", "从开头看不出它的类型" }
    key_wrapped(found) {
        "{found}; the value has quotes or other text around the key, which this server ignores and other programs do not",
        "{found}；密钥外面有引号或其他文字，本服务器会忽略，但其他程序不会"
    }
    key_wrapped_fix(name) {
        "Set {name} to the key alone, without quotes",
        "请把 {name} 设为密钥本身，不要加引号"
    }

    network_unset() {
        "not checked: the setting of the API host is wrong",
        "没有检查：API 地址设置有误"
    }
    network_unset_fix() { "Correct MINIMAX_API_HOST first", "请先改正 MINIMAX_API_HOST" }
    network_good(host, milliseconds, way) {
        "{host} answers in {milliseconds} ms{way}",
        "{host} 在 {milliseconds} 毫秒内应答{way}"
    }
    network_bad(host, way, why) {
        "{host} cannot be reached{way}: {why}",
        "无法连接 {host}{way}：{why}"
    }
    through_proxy(proxy, setting) {
        " through the proxy {proxy} ({setting})",
        "，经过代理 {proxy}（{setting}）"
    }
    proxy_fix(setting, host) {
        "Check that the proxy in {setting} runs and lets {host} through, or add the host to NO_PROXY",
        "请检查 {setting} 指定的代理是否在运行、是否允许访问 {host}；也可以把这个主机加入 NO_PROXY"
    }
    dns_fix() {
        "Check the network connection and the DNS server; behind a proxy set HTTPS_PROXY",
        "请检查网络连接和 DNS 服务器；如果需要代理，请设置 HTTPS_PROXY"
    }
    network_fix() {
        "Check the network connection and the firewall; behind a proxy set HTTPS_PROXY",
        "请检查网络连接和防火墙；如果需要代理，请设置 HTTPS_PROXY"
    }
    dns_bad(name) { "the name {name} cannot be resolved (DNS)", "无法解析域名 {name}（DNS）" }

    clock_good() { "this machine's clock agrees with the host's", "本机时钟与服务器一致" }
    clock_ahead(minutes) {
        "this machine's clock is {minutes} minutes ahead: links expire at the wrong time, and budgets count the wrong day",
        "本机时钟快了 {minutes} 分钟：链接的过期时间会出错，预算也会算错日期"
    }
    clock_behind(minutes) {
        "this machine's clock is {minutes} minutes behind: links expire at the wrong time, and budgets count the wrong day",
        "本机时钟慢了 {minutes} 分钟：链接的过期时间会出错，预算也会算错日期"
    }
    clock_fix_linux() {
        "Set the clock, for example with `sudo timedatectl set-ntp true`",
        "请校准时钟，例如运行 `sudo timedatectl set-ntp true`"
    }
    clock_fix_windows() { "Set the clock with `w32tm /resync`", "请用 `w32tm /resync` 校准时钟" }
    clock_fix() {
        "Set the date and time automatically in the system's settings",
        "请在系统设置里打开“自动设置日期和时间”"
    }

    region_unchecked() { "not checked", "没有检查" }
    region_unchecked_fix() { "Check the network first", "请先检查网络" }
    the_key() { "the key", "这个密钥" }
    the_key_in(setting) { "the key in {setting}", "来自 {setting} 的密钥" }
    region_unreachable(key) {
        "{key} was not checked, because the host cannot be reached",
        "无法连接服务器，所以没有检查{key}"
    }
    region_unreachable_fix() { "Fix the network first", "请先解决网络问题" }
    host_with_region(host, region) { "{host} (region `{region}`)", "{host}（区域 `{region}`）" }
    region_good(key, host) { "{key} is accepted by {host}", "{host} 接受{key}" }
    region_other(host, key, region) {
        "{host} does not accept {key}, which belongs to the region `{region}`",
        "{host} 不接受{key}，它属于区域 `{region}`"
    }
    region_other_fix(region) {
        "Set MINIMAX_REGION={region}, and remove MINIMAX_API_HOST",
        "请设置 MINIMAX_REGION={region}，并删除 MINIMAX_API_HOST"
    }
    region_other_fix_both(region) {
        "Set MINIMAX_REGION={region}, and remove MINIMAX_API_HOST. Both keys must be from one region",
        "请设置 MINIMAX_REGION={region}，并删除 MINIMAX_API_HOST。两个密钥必须来自同一个区域"
    }
    region_refused(host, key, why) { "{host} does not accept {key}: {why}", "{host} 不接受{key}：{why}" }
    region_no_list(host, key) {
        "{host} has no list of models, so {key} was not checked",
        "{host} 没有模型列表，所以没有检查{key}"
    }
    region_no_list_fix() {
        "Nothing, if this is a gateway; else check MINIMAX_API_HOST",
        "如果这是网关，就不用处理；否则请检查 MINIMAX_API_HOST"
    }
    region_error(host, why) { "{host} answered with an error: {why}", "{host} 返回错误：{why}" }

    account_late() {
        "plan and balance were not shown in time",
        "没有及时得到套餐和余额信息"
    }
    account_late_fix() { "Run the doctor again later", "请稍后再运行 doctor" }
    account_hidden(why) { "plan and balance are not shown: {why}", "无法查询套餐和余额：{why}" }
    window_short(percent) { "{percent} % of the short window", "短周期剩余 {percent}%" }
    window_week(percent) { "{percent} % of the week", "本周剩余 {percent}%" }
    window_left(model, parts) { "plan, {model}: {parts} left", "套餐，{model}：{parts}" }
    window_fix() {
        "Wait until the window starts again, or use a pay-as-you-go key; until then MiniMax refuses with 2056",
        "请等周期重新开始，或者改用按量付费的密钥；在此之前 MiniMax 会以 2056 拒绝"
    }
    balance(amount, currency) { "balance: {amount} {currency} available", "余额：{amount} {currency} 可用" }
    balance_fix() {
        "Top up at the platform's billing page; until then MiniMax refuses with 1008 (insufficient balance)",
        "请在平台的账单页面充值；在此之前 MiniMax 会以 1008（余额不足）拒绝"
    }

    inputs_none() { "no folder exists that tools may read from", "没有可供工具读取的目录" }
    inputs_none_fix() {
        "Set MINIMAX_ALLOWED_DIRS to the folders with your pictures and recordings",
        "请把 MINIMAX_ALLOWED_DIRS 设为存放图片和录音的目录"
    }
    inputs_good(folders) { "tools may read from {folders}", "工具可以读取 {folders}" }
    folder_fix(setting) {
        "Set {setting} to a folder of your own, or give yourself the right to write in it",
        "请把 {setting} 设为你自己的目录，或者给自己写入权限"
    }
    folder_is_file(folder) {
        "{folder} cannot be a folder: a part of the path is a file",
        "{folder} 不能用作目录：路径的一部分是文件"
    }
    folder_made_in(parent) { " (it will be made in {parent})", "（将在 {parent} 里创建）" }
    folder_read_only(folder, place, why) {
        "no file can be made in {folder}{place}: {why}",
        "无法在 {folder}{place} 里创建文件：{why}"
    }
    folder_full(free, folder) { "the disk is full: only {free} MiB are free in {folder}", "磁盘已满：{folder} 只剩 {free} MiB" }
    folder_little(free, folder) { "only {free} MiB are free in {folder}", "{folder} 只剩 {free} MiB" }
    folder_room_fix(setting) {
        "Make room on the disk, or set {setting} to a folder on another one",
        "请清理磁盘空间，或者把 {setting} 设为其他磁盘上的目录"
    }
    folder_good_room(folder, free, place) {
        "{folder} can be written, {free} GiB are free{place}",
        "{folder} 可以写入，剩余 {free} GiB{place}"
    }
    folder_good(folder, place) { "{folder} can be written{place}", "{folder} 可以写入{place}" }

    jobs_none() { "no job has been recorded yet", "还没有任何任务记录" }
    one_job() { "1 job", "1 个任务" }
    some_jobs(jobs) { "{jobs} jobs", "{jobs} 个任务" }
    jobs_found(jobs, file, size, open, unknown) {
        "{jobs} in {file} ({size} KiB, intact), {open} of them running, {unknown} with an unknown outcome",
        "{file} 里有 {jobs}（{size} KiB，完好），其中 {open} 个在运行，{unknown} 个结果未知"
    }
    jobs_found_server(jobs, size, open, unknown) {
        "{jobs} in PostgreSQL ({size} KiB), {open} of them running, {unknown} with an unknown outcome",
        "PostgreSQL 里有 {jobs}（{size} KiB），其中 {open} 个在运行，{unknown} 个结果未知"
    }
    jobs_older(found) {
        "{found}; the records are from an older version",
        "{found}；记录来自旧版本"
    }
    jobs_older_fix() {
        "Run `minimax-mcp jobs`, or start the server: the first start updates the records. Older versions cannot read them afterwards",
        "运行 `minimax-mcp jobs` 或启动服务器，首次启动会更新记录；更新后旧版本无法再读取"
    }

    player_good(name) { "sound is played by {name}", "用 {name} 播放声音" }
    player_none(known) {
        "no audio player is on PATH (known: {known}), so sound is only saved",
        "PATH 里没有音频播放器（支持：{known}），所以声音只会保存为文件"
    }
    player_unneeded() {
        "no audio player is on PATH, and none is needed: nothing is played on this machine with these settings",
        "PATH 里没有音频播放器，也不需要：按当前设置，本机不播放声音"
    }
    player_fix_macos() {
        "afplay is part of macOS: add /usr/bin to PATH in the client's configuration",
        "afplay 是 macOS 自带的：请在客户端配置里把 /usr/bin 加入 PATH"
    }
    player_fix_windows() {
        "powershell is part of Windows: add its folder to PATH in the client's configuration",
        "powershell 是 Windows 自带的：请在客户端配置里把它所在的目录加入 PATH"
    }
    player_fix() {
        "Install one, for example with `sudo apt install ffmpeg`",
        "请安装一个，例如运行 `sudo apt install ffmpeg`"
    }

    clients_none() {
        "no client is known on this machine; `minimax-mcp setup --help` lists them",
        "本机没有发现支持的客户端；`minimax-mcp setup --help` 会列出它们"
    }
    client_no_entry(client, id) {
        "{client}: no entry; `minimax-mcp setup {id}` adds it",
        "{client}：没有条目；运行 `minimax-mcp setup {id}` 添加"
    }
    client_other_server(client, name, file, started) {
        "{client}: `{name}` in {file} starts {started}, which is not this server",
        "{client}：{file} 里的 `{name}` 启动的是 {started}，不是这个服务器"
    }
    client_other_server_fix(id) {
        "`minimax-mcp setup {id}` shows how it would replace the entry, and asks first; or give the other server another name",
        "`minimax-mcp setup {id}` 会先显示怎样替换这个条目并征求同意；也可以给另一个服务器换个名字"
    }
    entry_another() { "a server at an address", "某个地址上的服务器" }
    client_file_bad(client, file, problem) { "{client}: {file} {problem}", "{client}：{file} {problem}" }
    client_file_fix(file) { "Correct {file}", "请改正 {file}" }
    place_in_project(file, project) { "{file} (project {project})", "{file}（项目 {project}）" }
    place_named(name, place) { "as `{name}` in {place}", "{place} 里的 `{name}`" }
    client_twice(client, count, first, second) {
        "{client}: this server is listed {count} times: {first} and {second}",
        "{client}：这个服务器出现了 {count} 次：{first}，以及 {second}"
    }
    client_twice_fix(name) {
        "Remove all but one; `{name}` is the one that `setup` keeps",
        "请只保留一个；`setup` 维护的是 `{name}`"
    }
    client_shadowed_fix() {
        "Remove one of them. Where both apply, the client uses the entry of the project",
        "请删除其中一个。两者都适用时，客户端使用项目的条目"
    }
    client_other_key(client, place, setting, theirs, ours) {
        "{client}: in {place}, {setting} has another key ({theirs}) than this shell ({ours})",
        "{client}：{place} 里 {setting} 的密钥（{theirs}）与当前 shell 的（{ours}）不同"
    }
    client_other_plan_key_fix() {
        "Correct MINIMAX_PLAN_KEY in the file, or remove it there",
        "请改正文件里的 MINIMAX_PLAN_KEY，或者把它删掉"
    }
    client_other_key_fix() {
        "Correct MINIMAX_API_KEY in the file, or remove it there and run `minimax-mcp login`",
        "请改正文件里的 MINIMAX_API_KEY，或者把它删掉并运行 `minimax-mcp login`"
    }
    entry_setting(client, place, problem) { "{client}: in {place}, {problem}", "{client}：在 {place} 里，{problem}" }
    entry_setting_fix(name, place) { "Correct or remove {name} in {place}", "请改正或删除 {place} 里的 {name}" }
    entry_setting_wrong_fix(name, place) {
        "Correct {name} in {place}, and restart the client; until then calls are refused",
        "请改正 {place} 里的 {name} 并重启客户端；在此之前所有调用都会被拒绝"
    }
    client_setup_fix(id) { "Run `minimax-mcp setup {id}`", "请运行 `minimax-mcp setup {id}`" }
    client_edit_fix(name, file) { "Correct or remove `{name}` in {file}", "请改正或删除 {file} 里的 `{name}`" }
    client_bad(client, place, what) { "{client}: {place} {what}", "{client}：{place} {what}" }
    entry_no_command() { "has no command", "没有命令" }
    entry_missing_program(program) {
        "names the program {program}, which does not exist",
        "指向的程序 {program} 不存在"
    }
    entry_not_starting(program, why) {
        "names {program}, which does not start: {why}",
        "指向的 {program} 无法启动：{why}"
    }
    entry_silent(program, seconds) {
        "names {program}, which does not answer in {seconds} s",
        "指向的 {program} 在 {seconds} 秒内没有应答"
    }
    entry_no_pipes() { "it has no stdin or stdout", "它没有标准输入或标准输出" }
    client_fetcher_missing(client, place, program) {
        "{client}: {place} starts the server with {program}, which is not on the PATH of this shell",
        "{client}：{place} 用 {program} 启动服务器，但当前 shell 的 PATH 里没有它"
    }
    client_fetcher_missing_fix(program, id) {
        "Install {program} (npx comes with Node.js, uvx with uv), or run `minimax-mcp setup {id}`, which names this program",
        "请安装 {program}（npx 随 Node.js 安装，uvx 随 uv 安装），或者运行 `minimax-mcp setup {id}`，改为直接启动本程序"
    }
    client_fetching(client, place, program, why) {
        "{client}: {place} starts the server with {program}, which fetches the package first and failed to: {why}",
        "{client}：{place} 用 {program} 启动服务器，它要先下载软件包，没有成功：{why}"
    }
    client_fetching_late(seconds) { "no answer in {seconds} s", "{seconds} 秒内没有应答" }
    client_fetching_fix(line) {
        "Run `{line} --version` once, which leaves the package in the cache, and then the doctor again",
        "先运行一次 `{line} --version`，把软件包下载到缓存，然后再运行 doctor"
    }
    client_not_tried(client, place, program) {
        "{client}: {place} starts the server with {program}, which was not tried",
        "{client}：{place} 用 {program} 启动服务器，没有尝试"
    }
    client_not_started(client, place, program) {
        "{client}: {place} starts the server with {program}, which was not tried, because the file belongs to the project",
        "{client}：{place} 用 {program} 启动服务器，没有尝试，因为这个文件属于项目"
    }
    client_good(client, place, milliseconds) {
        "{client}: {place} starts the server in {milliseconds} ms",
        "{client}：{place} 在 {milliseconds} 毫秒内启动服务器"
    }
}
