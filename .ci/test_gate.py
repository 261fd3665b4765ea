"""The gate's own tests: each check must be able to fail."""

import sys
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "bench"))

import gates
import json_output
import layers
import links
import readme_commands
import test_counts
import words
import workspace


def dependency(name, kind=None):
    return {"name": name, "kind": kind}


def tree(**extra):
    """A workspace in order, with further dependencies of some crates."""
    packages = [
        {"name": name, "dependencies": extra.get(name.replace("-", "_"), []), "targets": [], "features": {}}
        for name in layers.ALLOWED
    ]
    return {"packages": packages}


class Layers(unittest.TestCase):
    def complaints(self, **extra):
        return list(layers.violations(tree(**extra)))

    def test_the_allowed_edges_pass(self):
        edges = {"mail_access": [dependency("graph-auth")], "exchange_admin": [dependency("graph-auth", "dev")]}
        self.assertEqual(self.complaints(m365_core=[dependency("reqwest")], **edges), [])

    def test_siblings_do_not_meet(self):
        self.assertEqual(len(self.complaints(exchange_admin=[dependency("graph-auth")])), 1)

    def test_the_simulated_tenant_knows_none_of_ours_not_even_in_tests(self):
        self.assertEqual(len(self.complaints(tenant_sim=[dependency("m365-core", "dev")])), 1)

    def test_no_library_ships_the_simulated_tenant(self):
        self.assertEqual(len(self.complaints(mail_access=[dependency("tenant-sim")])), 1)
        self.assertEqual(len(self.complaints(mail_access=[dependency("tenant-sim", "build")])), 1)

    def test_reqwest_stays_in_the_core(self):
        self.assertEqual(len(self.complaints(graph_auth=[dependency("reqwest")])), 1)
        self.assertEqual(self.complaints(tenant_sim=[dependency("reqwest", "dev")]), [])

    def test_a_new_crate_needs_a_place(self):
        data = tree()
        data["packages"].append({"name": "extra", "dependencies": [], "targets": [], "features": {}})
        self.assertEqual(len(list(layers.violations(data))), 1)


class Gates(unittest.TestCase):
    GATE = {"what": "x", "measure": "a::ours", "calls": 10, "at_most": 5}
    RATIO = {"what": "y", "measure": "a::ours", "reference": "a::bare", "calls": 10, "at_most_ratio": 1.25}

    def verdicts(self, gate, **counts):
        return [holds for holds, _ in gates.judged([gate], {f"a::{name}": n for name, n in counts.items()})]

    def test_a_count_at_the_limit_holds_and_one_above_does_not(self):
        self.assertEqual(self.verdicts(self.GATE, ours=50), [True])
        self.assertEqual(self.verdicts(self.GATE, ours=51), [False])

    def test_a_ratio_at_the_limit_holds_and_one_above_does_not(self):
        self.assertEqual(self.verdicts(self.RATIO, ours=125, bare=100), [True])
        self.assertEqual(self.verdicts(self.RATIO, ours=126, bare=100), [False])

    def test_what_was_not_measured_does_not_hold(self):
        self.assertEqual(self.verdicts(self.GATE), [False])
        self.assertEqual(self.verdicts(self.RATIO, ours=1), [False])
        self.assertEqual(self.verdicts({**self.GATE, "peer": "a::peer"}, ours=1), [False])

    def test_a_benchmark_that_counts_nothing_is_no_measurement(self):
        line = '{"group":"a","function_name":"ours","profiles":[]}'
        with self.assertRaises(SystemExit):
            gates.counts([line])


class Words(unittest.TestCase):
    def test_planted_words_are_found_with_their_line(self):
        host = "crates" + ".io"
        self.assertEqual(list(words.violations("a.md", f"one\nsee {host}\n")), ["a.md:2: a registry's host"])
        self.assertEqual(len(list(words.violations("src/a.rs", "    dbg" + "!(x);"))), 1)
        self.assertEqual(len(list(words.violations("src/a.rs", "uns" + "afe { x() }"))), 1)

    def test_the_lock_file_may_name_its_registry(self):
        self.assertEqual(list(words.violations("fuzz/Cargo.lock", "crates" + ".io")), [])


class Readme(unittest.TestCase):
    def test_the_marked_block_alone_is_taken(self):
        text = f"```sh\ncargo clean\n```\n{readme_commands.MARKER}\n```sh\ncargo run\ncargo test\n```\n"
        self.assertEqual(readme_commands.commands(text), ["cargo run", "cargo test"])

    def test_a_readme_without_the_block_or_without_a_test_command_fails(self):
        for text in ["cargo test\n", f"{readme_commands.MARKER}\n```sh\ncargo run\n```\n"]:
            with self.assertRaises(SystemExit):
                readme_commands.commands(text)


class Links(unittest.TestCase):
    def test_paths_of_the_repository_are_checked_and_nothing_else(self):
        text = "[a](x/y.md#z) [b](https://a.example) [c](#top) [d](crate::Item)\n```sh\n[e](no.md)\n```\n[f](y)"
        self.assertEqual(list(links.targets(text)), ["x/y.md", "y"])


class Output(unittest.TestCase):
    def test_counts_are_summed_over_suites(self):
        line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n"
        self.assertEqual(test_counts.counts(line + "noise\n" + line), (2, 6, 0, 2))

    def test_json_is_one_document_or_lines(self):
        self.assertTrue(json_output.is_json('{"a":\n 1}'))
        self.assertTrue(json_output.is_json('{"a":1}\n{"b":2}\n'))
        self.assertFalse(json_output.is_json("plan\n{}"))
        self.assertFalse(json_output.is_json(""))


class Workspace(unittest.TestCase):
    def test_every_feature_is_taken_alone(self):
        library = {"name": "a", "targets": [{"name": "a", "kind": ["lib"]}], "features": {"default": ["x"], "x": []}}
        self.assertEqual(list(workspace.feature_sets({"packages": [library]})), ["a", "a x"])

    def test_a_workspace_without_examples_fails(self):
        with self.assertRaises(SystemExit):
            workspace.examples({"packages": []})


if __name__ == "__main__":
    unittest.main()
