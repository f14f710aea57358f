//! The texts of `setup`.

super::texts! {
    has_already(client, file) {
        "{client}: {file} has the entry already.",
        "{client}：{file} 里已经有这个条目。"
    }
    has_none(client, file, name) {
        "{client}: {file} has no entry `{name}`.",
        "{client}：{file} 里没有条目 `{name}`。"
    }
    will_be_deleted(client, file) {
        "{client}: {file} will be deleted; setup made it.",
        "{client}：{file} 将被删除，它是 setup 创建的。"
    }
    will_change(client, file, name) {
        "{client}: {file} has another entry `{name}`; it will change:",
        "{client}：{file} 里已有内容不同的条目 `{name}`，将作如下修改："
    }
    will_get(client, file, name) {
        "{client}: {file} will get the entry `{name}`:",
        "{client}：{file} 将加入条目 `{name}`："
    }
    will_lose(client, file, name) {
        "{client}: {file} will lose the entry `{name}`:",
        "{client}：{file} 将去掉条目 `{name}`："
    }
    hidden_key() { "(a key)", "（密钥）" }
    wrote(file) { "Wrote {file}.", "已写入 {file}。" }
    old_text_in(copy) { " Its old text is in {copy}.", "原来的内容保存在 {copy}。" }
    restored(file) { "Restored {file}.", "已还原 {file}。" }
    deleted_file(file) { "Deleted {file}.", "已删除 {file}。" }
    not_ours(file, name, how) {
        "{file} has an entry `{name}` that `setup` did not write, so it stays; to remove it, {how}",
        "{file} 里的条目 `{name}` 不是 `setup` 写的，所以保留；如果要删除，{how}"
    }
    remove_by_command(command) { "run `{command}`", "请运行 `{command}`" }
    remove_by_hand(name, servers) {
        "delete `{name}` below `{servers}` in the file",
        "请在文件里删除 `{servers}` 下面的 `{name}`"
    }
    cannot_be_parsed(file, why) {
        "{file} cannot be parsed and is left as it is: {why}",
        "{file} 无法解析，保持原样：{why}"
    }
    left_as_it_is(file, why) { "{file} is left as it is: {why}", "{file} 保持原样：{why}" }
    damaged(line, column, message) {
        "line {line}, column {column}: {message}",
        "第 {line} 行第 {column} 列：{message}"
    }
    not_a_table(key) {
        "`{key}` exists but is not a table of servers",
        "已有 `{key}`，但它不是服务器列表"
    }
    not_a_list(key) { "`{key}` exists but is not a list", "已有 `{key}`，但它不是列表" }
    not_one_object() {
        "the file holds something other than one object",
        "文件的内容不是一个对象"
    }
    would_touch_others() {
        "the entry cannot be changed without touching others",
        "无法只修改这个条目而不影响其他条目"
    }
    dangling_link() { "is a link to a file that does not exist", "是一个链接，指向的文件不存在" }
    cannot_be_read(why) { "cannot be read: {why}", "无法读取：{why}" }
    cannot_be_written(why) { "cannot be written: {why}", "无法写入：{why}" }
    no_ordinary_file() { "is not an ordinary file", "不是普通文件" }
    not_utf8(line, column) {
        "is not UTF-8 text (line {line}, column {column})",
        "不是 UTF-8 文本（第 {line} 行第 {column} 列）"
    }
    is_utf16(line, column) {
        "is UTF-16 text (line {line}, column {column}); save it as UTF-8",
        "是 UTF-16 文本（第 {line} 行第 {column} 列），请另存为 UTF-8"
    }
    comment_or_comma() {
        "This client reads no comments and no trailing commas",
        "这个客户端不支持注释和末尾的逗号"
    }
    string_without_end() { "A string does not end on its line", "字符串没有在本行结束" }
    more_than_a_document() {
        "Only one YAML document can be edited, with its directives before it",
        "只能修改单个 YAML 文档，指令必须在它之前"
    }
    is_an_alias(key) {
        "`{key}` is an alias; write the servers there themselves",
        "`{key}` 是别名；请直接写出服务器列表"
    }
    cannot_be_edited() {
        "the file cannot be edited without changing other entries; `--print` shows what to add",
        "修改这个文件会影响其他条目；`--print` 会显示需要添加的内容"
    }
    changed_meanwhile() {
        "another program has changed it in the meantime; run the command again",
        "在此期间其他程序修改了它，请重新运行命令"
    }
    remove_yourself(client, name, place) {
        "{client}: remove the entry `{name}` yourself: {place}.",
        "{client}：请自行删除条目 `{name}`：{place}。"
    }
    add_yourself(client, place) {
        "{client}: add this yourself: {place}.",
        "{client}：请自行添加以下内容：{place}。"
    }
    place_import() {
        "Settings > MCP Servers > Add > Import from JSON. This client keeps its servers in a database of its own",
        "设置 > MCP 服务器 > 添加 > 从 JSON 导入。这个客户端把服务器保存在自己的数据库里"
    }
    no_project_file(client) {
        "{client}: has no file in a project; leave out --scope project",
        "{client}：没有项目级的配置文件，请去掉 --scope project"
    }
    nothing_written() { "nothing was written", "没有写入任何内容" }
    restart() {
        "Restart the client, or reload its list of servers.",
        "请重启客户端，或者重新加载它的服务器列表。"
    }
    dry_run() { "Nothing was written (--dry-run).", "没有写入任何内容（--dry-run）。" }
    one_left() { "1 client was left as it was", "有 1 个客户端保持原样" }
    some_left(count) { "{count} clients were left as they were", "有 {count} 个客户端保持原样" }
    none_found(ids) {
        "no client was found; name one of {ids}",
        "没有找到客户端；请指定其中一个：{ids}"
    }
    with_key_stored() {
        "--with-key takes the keys of MINIMAX_API_KEY and MINIMAX_PLAN_KEY, and none is set; what `login` stored needs no place in a client's file",
        "--with-key 使用 MINIMAX_API_KEY 和 MINIMAX_PLAN_KEY 里的密钥，但都没有设置；`login` 保存的密钥不需要写入客户端的文件"
    }
    with_key_none() {
        "--with-key takes the keys of MINIMAX_API_KEY and MINIMAX_PLAN_KEY, and none is set",
        "--with-key 使用 MINIMAX_API_KEY 和 MINIMAX_PLAN_KEY 里的密钥，但都没有设置"
    }
    no_terminal() {
        "there is no terminal to ask at; add --yes to write this",
        "没有终端可以确认；要写入以上内容，请加上 --yes"
    }
    change_file() { "Change this file? [y/n] ", "修改这个文件吗？[y/n] " }
    change_files(count) { "Change these {count} files? [y/n] ", "修改这 {count} 个文件吗？[y/n] " }
    key_in_project() {
        "The key is in a file of the project: do not commit it.",
        "密钥写在项目的文件里，请不要提交到版本库。"
    }
    shell_key_only() {
        "The key of this shell is not written into a client's file. Run `minimax-mcp login` once; then every client has it.",
        "当前 shell 的密钥不会写入客户端的文件。运行一次 `minimax-mcp login`，所有客户端就都能使用它。"
    }
    no_key_yet() {
        "No key is stored yet. Run `minimax-mcp login` once; then every client has it.",
        "还没有保存密钥。运行一次 `minimax-mcp login`，所有客户端就都能使用它。"
    }
    offer_login() {
        "No MiniMax API key is stored yet. Enter it now, for all clients (`minimax-mcp login`)? [y/n] ",
        "还没有保存 MiniMax API 密钥。现在输入，供所有客户端使用吗（`minimax-mcp login`）？[y/n] "
    }
    login_failed(why) {
        "{why}. The clients are set up all the same; run `minimax-mcp login` later.",
        "{why}。客户端仍会继续配置；之后请运行 `minimax-mcp login`。"
    }
}
