//! The texts of `login` and `logout`.

super::texts! {
    key_question() {
        "MiniMax API key, from platform.minimax.io or platform.minimax.cn (it is not shown): ",
        "请输入 MiniMax API 密钥（在 platform.minimax.io 或 platform.minimax.cn 获取，输入时不显示）："
    }
    none_given() { "no key was given", "没有输入密钥" }
    kind_plan() { "of a subscription plan", "订阅套餐" }
    kind_balance() { "that pays from the balance", "按量付费，从余额扣费" }
    kind_unknown() { "of an unknown kind", "从开头看不出类型" }
    stored(kind, region, path) {
        "Stored a key {kind}{region} in {path}, which only you can read. The server uses it when MINIMAX_API_KEY is not set.",
        "已保存密钥（{kind}{region}），文件是 {path}，只有你能读取。没有设置 MINIMAX_API_KEY 时，服务器使用这个密钥。"
    }
    stored_in_keyring(kind, region, path) {
        "Stored a key {kind}{region} in the system's keyring; {path} says where. The server uses it when MINIMAX_API_KEY is not set. While the keyring is locked, the server starts without the key.",
        "已把密钥（{kind}{region}）保存到系统钥匙串，位置记在 {path} 中。没有设置 MINIMAX_API_KEY 时，服务器使用这个密钥。钥匙串锁定时，服务器会在没有密钥的情况下启动。"
    }
    keyring_not_stored(why) {
        "the key cannot be stored in the system's keyring: {why}",
        "无法把密钥保存到系统钥匙串：{why}"
    }
    keyring_use_file() {
        "; without `--keyring` it is stored in a file that only you can read",
        "；不加 `--keyring` 就会保存到只有你能读取的文件中"
    }
    keyring_offer_file() {
        "Store it in a file that only you can read instead? [y/n] ",
        "改为保存到只有你能读取的文件中？[y/n] "
    }
    keyring_absent(why) { "no keyring can be reached here ({why})", "这里没有可用的钥匙串（{why}）" }
    keyring_locked() { "it is locked", "钥匙串已锁定" }
    keyring_late() { "it did not answer in time", "钥匙串没有及时响应" }
    keyring_missing() { "it no longer has the key", "钥匙串中已经没有这个密钥" }
    keyring_refused(why) { "it refused: {why}", "钥匙串拒绝了请求：{why}" }
    keyring_left(why) {
        "the earlier key is still in the system's keyring, where nothing uses it: {why}",
        "之前的密钥仍在系统钥匙串中，但不再使用：{why}"
    }
    cannot_forget(why, path) {
        "nothing was deleted, because the key in the system's keyring cannot be: {why}; unlock the keyring and run `minimax-mcp logout` again, or delete {path}, so that nothing uses the key",
        "没有删除任何内容，因为无法删除系统钥匙串中的密钥：{why}；请解锁钥匙串后重新运行 `minimax-mcp logout`，或者删除 {path}，这样就不再使用这个密钥"
    }
    stored_region(region) { ", region `{region}`,", "，区域 `{region}`" }
    next_step() {
        "Next: `minimax-mcp setup` writes the server into your clients.",
        "下一步：运行 `minimax-mcp setup`，把服务器写入你的客户端。"
    }
    both_stored() {
        "Two keys are stored: what the plan includes is bought with the plan's key, and the rest from the balance.",
        "已保存两个密钥：套餐包含的内容用套餐密钥，其余从余额扣费。"
    }
    other_region(stored, region) {
        "a key of the region `{stored}` is stored, and this one is of `{region}`; two keys must be of one region. `minimax-mcp logout` deletes the stored one",
        "已保存的密钥属于区域 `{stored}`，而这个属于 `{region}`；两个密钥必须来自同一个区域。`minimax-mcp logout` 会删除已保存的密钥"
    }
    environment_counts(setting) {
        "in this shell {setting} is set, which takes precedence",
        "当前 shell 设置了 {setting}，它优先于已保存的密钥"
    }
    not_stored(why) { "the key was not stored: {why}", "密钥没有保存：{why}" }
    not_checked(why) { "the key was not checked: {why}", "密钥没有经过检查：{why}" }
    not_checked_not_stored(why) {
        "the key was not checked, so it was not stored: {why}; add `--region global` or `--region cn` to store it unchecked",
        "密钥没有经过检查，所以没有保存：{why}；如果要不检查就保存，请加上 `--region global` 或 `--region cn`"
    }
    cannot_store(path, why) {
        "the key cannot be stored in {path}: {why}",
        "无法把密钥保存到 {path}：{why}"
    }
    cannot_delete(path, why) { "{path} cannot be deleted: {why}", "无法删除 {path}：{why}" }
    not_text() {
        "the input is not UTF-8 text; give the key alone",
        "输入的不是 UTF-8 文本；请只输入密钥"
    }
    deleted() { "Every stored key was deleted.", "已删除保存的密钥。" }
    none_stored() { "No key is stored.", "没有保存过密钥。" }
    refused(why) { "MiniMax does not accept it ({why})", "MiniMax 不接受这个密钥（{why}）" }
    host_unreachable(host, why) { "{host} cannot be reached: {why}", "无法连接 {host}：{why}" }
    source_login(path) { "`minimax-mcp login` ({path})", "`minimax-mcp login`（{path}）" }
    source_keyring() { "`minimax-mcp login` (the system's keyring)", "`minimax-mcp login`（系统钥匙串）" }
    source_file(setting) { "the file of {setting}", "{setting} 指定的文件" }
}
