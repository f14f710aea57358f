"""Judges the calls of a model: were they right, at once or after an error, and was money wasted?"""

import re


def matches(pattern, value, earlier=""):
    """Whether an argument is what the wish asks for. README.md explains the patterns."""
    if not isinstance(pattern, dict):
        return same(pattern, value)
    if "is" in pattern:
        return any(same(known, value) for known in pattern["is"])
    if "like" in pattern:
        return isinstance(value, str) and re.search(pattern["like"], value, re.IGNORECASE | re.DOTALL) is not None
    if "from" in pattern:
        number = as_number(value)
        return number is not None and pattern["from"] <= number <= pattern["to"]
    if "has" in pattern:
        return (
            isinstance(value, list)
            and len(value) == len(pattern["has"])
            and all(any(matches(part, item, earlier) for item in value) for part in pattern["has"])
        )
    if "fields" in pattern:
        parts = pattern["fields"].items()
        return isinstance(value, dict) and all(matches(part, value.get(name), earlier) for name, part in parts)
    if "earlier" in pattern:
        return isinstance(value, str) and len(value) > 3 and value in earlier
    raise ValueError(f"unknown pattern {pattern}")


def example(pattern):
    """An argument that the pattern accepts."""
    if not isinstance(pattern, dict):
        return pattern
    if "example" in pattern:
        return pattern["example"]
    if "is" in pattern:
        return pattern["is"][0]
    if "has" in pattern:
        return [example(part) for part in pattern["has"]]
    if "fields" in pattern:
        return {name: example(part) for name, part in pattern["fields"].items()}
    # Only the previous result has the value.
    return pattern


def as_number(value):
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def same(known, value):
    if isinstance(known, bool) or isinstance(value, bool):
        return known is value or str(known).lower() == str(value).lower()
    if isinstance(known, (int, float)):
        return as_number(value) == known
    if isinstance(known, str):
        return isinstance(value, str) and known.strip().lower() == value.strip().lower()
    return known == value


class Judge:
    def __init__(self, data, tools):
        self.data = data
        self.schemas = {tool["name"]: tool["inputSchema"]["properties"] for tool in tools}
        self.paid_tools = {tool["name"] for tool in tools if tool["description"].endswith("Costs money.")}

    def is_free(self, call):
        return call["tool"] not in self.paid_tools or call["arguments"].get("dry_run") is True

    def is_look(self, call):
        """A free call that changes nothing, which a careful model may make before any other."""
        return call["tool"] in self.data["looks"] or (
            call["tool"] in self.paid_tools and call["arguments"].get("dry_run") is True
        )

    def fits(self, expected, call, earlier):
        """Whether a call is the expected one: its arguments are right and no others change the result or the bill."""
        if expected.get("tool") != call["tool"]:
            return False
        arguments = dict(call["arguments"])
        wanted = expected.get("arguments", {})
        for name, pattern in wanted.items():
            optional = isinstance(pattern, dict) and pattern.get("optional")
            if name not in arguments and optional:
                continue
            if not matches(pattern, arguments.pop(name, None), earlier):
                return False
        without = expected.get("without", [])
        allowed = self.data["free_choice"]["*"] + self.data["free_choice"].get(call["tool"], [])
        allowed += expected.get("may", [])
        same_as_absent = self.data["same_as_absent"].get(call["tool"], {})
        for name, value in arguments.items():
            if name in without:
                return False
            default = self.schemas.get(call["tool"], {}).get(name, {}).get("default", same_as_absent.get(name))
            if name in allowed or value is None or (default is not None and same(default, value)):
                continue
            return False
        return True

    def judge(self, wish, record):
        """The score of a wish: a dictionary with `first`, `second`, `wasted`, `why`."""
        steps = [wish["right"], *wish.get("then", [])]
        earlier = record.get("before", "")
        calls = [call for turn in record["turns"] for call in turn["calls"]]
        verdict = {"first": False, "second": False, "done": False, "looked": False, "wasted": 0, "why": []}
        position, tried = 0, 0
        for call in calls:
            broken = [rule for rule in wish.get("never", []) if self.fits_loosely(rule, call, earlier)]
            fitting = position < len(steps) and any(self.fits(right, call, earlier) for right in steps[position])
            earlier += "\n" + call.get("text", "")
            if broken:
                verdict["why"].append(f"{call['tool']}: {broken[0]['why']}")
            if not fitting and not broken and self.is_look(call):
                verdict["looked"] = True
                continue
            tried += 1
            right = fitting and not broken and not call.get("refused")
            if position == 0 and right and tried <= 2:
                verdict["first" if tried == 1 else "second"] = True
            if right:
                rehearsed = call["arguments"].get("dry_run") is True
                wanted = any("dry_run" in known.get("arguments", {}) for known in steps[position])
                if rehearsed and not wanted:
                    tried -= 1
                else:
                    position += 1
                continue
            if not broken:
                said = f" ({call['text'][:160]})" if call.get("refused") else ""
                told = "more than was asked for" if position == len(steps) else "not a right call"
                verdict["why"].append(f"{call['tool']} {call['arguments']}: {told}{said}")
            if call.get("billed", not call.get("refused") and not self.is_free(call)):
                verdict["wasted"] += 1
                verdict["money"] = verdict.get("money", 0) + call.get("price", 0)
        asked = any(known.get("ask") for known in wish["right"])
        if not tried and asked:
            verdict["first"] = verdict["done"] = True
        elif not tried and not verdict["first"]:
            verdict["why"].append("no call")
        verdict["second"] = verdict["second"] and not verdict["first"] and not verdict["wasted"]
        verdict["done"] = verdict["done"] or position == len(steps)
        return verdict

    def fits_loosely(self, rule, call, earlier):
        """Whether a call is one that must not happen, by its tool and the arguments in the rule."""
        if rule["tool"] != call["tool"] or call["arguments"].get("dry_run") is True:
            return False
        wanted = rule.get("arguments", {})
        absent = [name for name in rule.get("without", []) if name not in call["arguments"]]
        return len(absent) == len(rule.get("without", [])) and all(
            name in call["arguments"] and matches(pattern, call["arguments"][name], earlier)
            for name, pattern in wanted.items()
        )
