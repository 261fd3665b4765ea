"""Microsoft's own schema judges every request of ews-client, and answers of the simulated tenant.

Usage: ews_schemas.py [FOLDER...]; the requests are the snapshots of ews-client, each folder holds recorded answers (*.xml).

The schema is not part of this repository. It is looked for in the folder that EWS_DATA names, else in
../shared/data/ews beside the checkout. A folder that was named must hold it; without any, this judge says that it judged nothing.
"""

import os
import re
import sys
from pathlib import Path

from lxml import etree

ROOT = Path(__file__).resolve().parent.parent
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
MESSAGES = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
TYPES = "{http://schemas.microsoft.com/exchange/services/2006/types}"
AUTODISCOVER = "{http://schemas.microsoft.com/exchange/2010/Autodiscover}"
ENVELOPE = re.compile(r"<((?:\w+:)?)Envelope\b.*?</\1Envelope>", re.S)
PLAIN = re.compile(r"<Autodiscover\b.*?</Autodiscover>", re.S)
# The schema says t:Notification here; Microsoft's samples, the other clients and the servers say m:.
NOTIFICATION = (f"{MESSAGES}Notifications", f"{MESSAGES}Notification", f"{TYPES}Notification")
# Autodiscover has no published schema: the shape of Microsoft's pages, element by element.
SHAPES = {
    "POX": ["Autodiscover", "Autodiscover/Request", "Autodiscover/Request/EMailAddress",
            "Autodiscover/Request/AcceptableResponseSchema"],
    "SOAP": ["GetUserSettingsRequestMessage", "GetUserSettingsRequestMessage/Request",
             "GetUserSettingsRequestMessage/Request/Users", "GetUserSettingsRequestMessage/Request/Users/User",
             "GetUserSettingsRequestMessage/Request/Users/User/Mailbox",
             "GetUserSettingsRequestMessage/Request/RequestedSettings"],
}
REQUEST_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)


class Judge:
    def __init__(self, schemas):
        self.schema = etree.XMLSchema(etree.parse(str(schemas / "messages.xsd")))
        self.bodies = 0
        self.red = []
        self.seen = set()

    def fault(self, element):
        """Why this element is not valid as a document of its own; None when it is."""
        alone = etree.fromstring(etree.tostring(element, with_tail=False), PARSER)
        for parent in alone.iter(NOTIFICATION[0]):
            for child in parent.findall(NOTIFICATION[1]):
                child.tag = NOTIFICATION[2]
        if self.schema.validate(alone):
            return None
        return "; ".join(f"line {e.line}: {e.message}" for e in self.schema.error_log)

    def envelope(self, where, text):
        try:
            root = etree.fromstring(text.encode(), PARSER)
        except etree.XMLSyntaxError as error:
            self.red.append(f"{where}: {error}")
            return
        headers, bodies = root.findall(f"{SOAP}Header/*"), root.findall(f"{SOAP}Body/*")
        if root.tag != f"{SOAP}Envelope" or len(bodies) != 1:
            self.red.append(f"{where}: no envelope with one element in its body")
            return
        body = bodies[0]
        if body.tag == f"{AUTODISCOVER}GetUserSettingsRequestMessage":
            self.shape(where, "SOAP", body)
            return
        if body.tag == f"{SOAP}Fault":
            return
        for element in [*[h for h in headers if h.tag.startswith(TYPES)], body]:
            if (why := self.fault(element)) is not None:
                self.red.append(f"{where}: {etree.QName(element).localname}: {why}")
        self.bodies += 1
        self.seen.add(etree.QName(body).localname)
        self.can_fail(where, body)

    def can_fail(self, where, body):
        """The same body with a foreign element in it must be refused: a judge that lets everything pass is none."""
        spoilt = etree.fromstring(etree.tostring(body, with_tail=False), PARSER)
        spoilt.insert(0, etree.Element(f"{MESSAGES}NoSuchElement"))
        if self.fault(spoilt) is None:
            self.red.append(f"{where}: an unknown element was not noticed")

    def shape(self, where, kind, root):
        found = []
        for element in root.iter():
            names = [etree.QName(element).localname]
            while element is not root:
                element = element.getparent()
                names.append(etree.QName(element).localname)
            found.append("/".join(reversed(names)))
        wanted = SHAPES[kind]
        rest = found[len(wanted):]
        settings = f"{wanted[-1]}/Setting"
        if found[:len(wanted)] != wanted or any(path != settings for path in rest) or (kind == "SOAP") != bool(rest):
            self.red.append(f"{where}: not the shape of {kind} Autodiscover: {found}")
        if kind == "POX" and any(etree.QName(e).namespace != REQUEST_SCHEMA for e in root.iter()):
            self.red.append(f"{where}: an element outside the namespace of the request")
        self.bodies += 1
        self.seen.add(f"Autodiscover {kind}")


def data():
    named = os.environ.get("EWS_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "ews"
    schemas = folder / "schemas"
    if (schemas / "messages.xsd").is_file():
        return schemas
    missing = f"{schemas}/messages.xsd is not there"
    if named:
        raise SystemExit(f"ews_schemas: {missing}")
    print(f"!!!! NOT JUDGED: {missing}; name Microsoft's data in EWS_DATA. No request and no answer of EWS was held "
          "against the schema.", file=sys.stderr)
    raise SystemExit(0)


def snapshots():
    """Every snapshot of ews-client without insta's header."""
    files = sorted((ROOT / "ews-client").rglob("snapshots/*.snap"))
    for file in files:
        text = file.read_text()
        # Some tests put a line break between tags; it is no part of the request.
        yield file.name, text.split("\n---\n", 1)[-1].replace(">\n<", "><")


def operations():
    """The names of all operations, from the source: none may be without a snapshot of its request."""
    names = set()
    for file in (ROOT / "ews-client" / "src").rglob("*.rs"):
        code = file.read_text().split("#[cfg(test)]")[0]
        code = re.sub(r"^\s*//.*$", "", code, flags=re.M)
        names |= set(re.findall(r'const NAME: &\'static str = "(\w+)";', code))
    return names


def main(*folders):
    judge = Judge(data())
    for name, text in snapshots():
        for found in ENVELOPE.finditer(text):
            judge.envelope(name, found.group())
        for found in PLAIN.finditer(text):
            judge.shape(name, "POX", etree.fromstring(found.group().encode(), PARSER))
    requests, wanted = judge.bodies, operations()
    if not wanted:
        judge.red.append("no operation was found in the source")
    for name in sorted(wanted):
        if not judge.seen & {name, f"{name}Request"}:
            judge.red.append(f"{name}: no snapshot holds a whole request")
    for kind in SHAPES:
        if f"Autodiscover {kind}" not in judge.seen:
            judge.red.append(f"Autodiscover {kind}: no snapshot holds a whole request")
    for folder in folders:
        files = sorted(Path(folder).rglob("*.xml"))
        if not files:
            judge.red.append(f"{folder}: no recorded answer")
        for file in files:
            text = file.read_text().lstrip("\ufeff")
            found = list(ENVELOPE.finditer(text))
            if not found:
                judge.red.append(f"{file.name}: no envelope")
            for envelope in found:
                judge.envelope(file.name, envelope.group())
    for line in judge.red:
        print(f"FAIL  ews_schemas: {line}")
    print(f"ews_schemas: {requests} requests of {len(wanted)} operations and of Autodiscover, {judge.bodies - requests} "
          f"recorded answers, {len(judge.red)} failed")
    raise SystemExit(1 if judge.red else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
