"""The role matrix, evaluated by casbin from rules typed by hand from the product's table, against what the server computed.

The committed page docs/reference/role-matrix.md is the server's own answer (ContractTests holds them together). Nothing here is made from
policies/roles.lua: a right that slips in there, or falls out, differs from these rules.
"""

import os
import re
import tempfile

import casbin

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "reference", "role-matrix.md")

# Of a tenant that leaves only its owners are left, and staff. What owners may then is their leaving and nothing else: that stands before any role
# is asked (`tenant_leaving`), and LeavingTests hold it.
MODEL = """
[request_definition]
r = role, resource, verb, tenant, state, moment

[policy_definition]
p = role, resource, verb

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.role == p.role && (p.resource == "*" || r.resource == p.resource) && (p.verb == "*" || regexMatch(r.verb, p.verb)) && r.tenant == "own" && r.state != "purged" && (r.moment == "before" && r.state != "closing" || r.role in ("owner", "staff", "platform_admin"))
"""

# The table of the product: workstation, billing, members, licences and seats, projects, audit log. Then what the same text says of each person's
# own things, and what only those have who answer for the tenant.
RULES = """
owner            workstations    *
owner            billing         *
owner            team            *
owner            licenses        *
owner            seats           *
owner            projects        *
owner            files           *
owner            audit           ^(read|export)$
owner            tenant          *
owner            api_keys        *
owner            webhooks        *
owner            tenant_policies *
owner            usage           *
owner            support         *
owner            compliance      *
owner            data_requests   *
owner            offboarding     *
owner            sso             *
admin            workstations    *
admin            billing         ^read$
admin            team            *
admin            licenses        *
admin            seats           *
admin            projects        *
admin            files           *
admin            audit           ^(read|export)$
admin            tenant          ^read$
admin            api_keys        *
admin            webhooks        *
admin            tenant_policies *
admin            usage           ^read$
admin            support         *
admin            compliance      ^read$
admin            sso             *
developer        support         *
developer        workstations    ^use$
developer        team            ^read$
developer        seats           ^acquire$
developer        projects        ^(read|write)$
developer        files           ^(read|write)$
developer        api_keys        ^own$
contractor       workstations    ^use$
contractor       seats           ^acquire$
contractor       projects        ^(read|write)$
contractor       files           ^(read|write)$
contractor       api_keys        ^own$
auditor          billing         ^read$
auditor          team            ^read$
auditor          licenses        ^read$
auditor          seats           ^read$
auditor          projects        ^read$
auditor          audit           ^(read|export)$
auditor          compliance      ^read$
auditor          api_keys        ^own$
viewer           projects        ^read$
viewer           files           ^read$
viewer           api_keys        ^own$
staff            *               ^read$
staff            staff           *
staff            support         *
staff            api_keys        ^own$
platform_admin   *               *
"""

# Who may make whom what: an owner anybody; an admin whoever stands below an admin, to what stands below; nobody else anybody.
RANK = {"owner": 5, "admin": 4, "developer": 3, "contractor": 2, "auditor": 1, "viewer": 1}


def table(text, heading):
    """The rows of the table under a heading, as lists of cells."""
    part = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip().strip("`") for cell in line.strip().strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[0], rows[2:]


def enforcer():
    folder = tempfile.mkdtemp(prefix="roles-")
    model, policy = os.path.join(folder, "model.conf"), os.path.join(folder, "policy.csv")
    with open(model, "w", encoding="utf-8") as file:
        file.write(MODEL)
    with open(policy, "w", encoding="utf-8") as file:
        for line in RULES.strip().splitlines():
            file.write("p, " + ", ".join(line.split()) + "\n")
    return casbin.Enforcer(model, policy)


def compare(text, judge):
    """Every cell of the matrix; gives how many there are and which differ."""
    head, rows = table(text, "Roles and permissions")
    _, circumstances = table(text, "Tenant and time")
    endless = {"owner", "staff", "platform_admin"}
    cells, wrong = 0, []
    for permission, *marks in rows:
        resource, verb = permission.split(":")
        for role, mark in zip(head[1:], marks):
            for tenant, state, moment, left in circumstances:
                assert left in ("all", "nothing", "that of the endless"), left
                ours = mark == "yes" and (left == "all" or left == "that of the endless" and role in endless)
                cells += 1
                if judge.enforce(role, resource, verb, tenant, state, moment) != ours:
                    wrong.append(f"{role} {permission} {tenant} {state} {moment}: the server says {ours}")
    return cells, wrong


def members(text):
    head, rows = table(text, "Members")
    wrong, cells = [], 0
    for actor, target, *marks in rows:
        for column, mark in zip(head[2:], marks):
            new = column.removeprefix("to ")
            below = RANK[target] < RANK["admin"] and (column == "end" or RANK[new] < RANK["admin"])
            cells += 1
            if (actor == "owner" or actor == "admin" and below) != (mark == "yes"):
                wrong.append(f"{actor} makes {target} {column}: the server says {mark == 'yes'}")
    return cells, wrong


def main():
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    judge = enforcer()
    cells, wrong = compare(text, judge)
    more, others = members(text)
    assert cells > 4_500 and more == 6 * 6 * 7, (cells, more)
    # The comparison sees a right too many and one too few: each taken away or given in the page is found.
    given = re.sub(r"(\| `billing:write` \| yes \|) +\|", r"\1 yes |", text)
    assert given != text and compare(given, judge)[1], "a right too many went unseen"
    taken = re.sub(r"(\| `seats:acquire` \|) yes", r"\1 ", text)
    assert taken != text and compare(taken, judge)[1], "a right too few went unseen"
    assert not wrong and not others, "\n".join((wrong + others)[:40])
    print(f"roles: {cells + more} cells, casbin agrees on each; 1 passed, 0 failed")


if __name__ == "__main__":
    main()
