//! Placeholders: values of the documentation's examples that nobody replaced.

/// Whether a value was left as the documentation prints it: it has `<…>`, is `cri-instanceId`, is nothing but
/// `x`, `y` or `*`, or has a name of three or more `x` between `-`, `.` or `,`.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let only = |set: &str, text: &str| !text.is_empty() && text.chars().all(|c| set.contains(c));
    has_angle_brackets(text)
        || only("xXyY*", text)
        || text.split(',').any(|item| item.trim() == "cri-instanceId")
        || text.split(['-', '.', ',']).map(str::trim).any(|name| name.len() >= 3 && only("xX", name))
}

/// The part of the rule that also holds for names of namespaces and ServiceAccounts, where `x` and `*` mean
/// something.
pub(crate) fn has_angle_brackets(text: &str) -> bool {
    text.split_once('<').is_some_and(|(_, rest)| rest.contains('>'))
}

#[cfg(test)]
mod tests {
    use super::is_placeholder;

    #[test]
    fn values_of_the_documentation_are_placeholders() {
        for text in [
            "<ARN of the role in account B>",
            "acs:ram::<uid>:role/x",
            "cri-instanceId",
            "cri-0123456789abcdef,cri-instanceId",
            "xxxxx",
            "yyyyy",
            "x",
            "***",
            "cri-xxx",
            "cri-XXXXX",
            "xxxxx-registry.cn-hangzhou.cr.aliyuncs.com",
            "xxx.com,yyy.com",
            "a.example.com, xxx.example.com",
            "******",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn values_of_a_user_are_not() {
        for text in [
            "",
            "cri-0123456789abcdef",
            "cri-xx0123",
            "xx-registry.cn-hangzhou.cr.aliyuncs.com",
            "maxxx.example.com",
            "cn-hangzhou",
            "acs:ram::1234567890123456:role/puller",
            "a < b",
            "xyz",
            "******.example.com",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
