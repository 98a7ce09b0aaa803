import HookEngine
import Testing

@Suite("values are checked against declarations")
struct HookCheckTests {
    private static let fields = [
        HookField("name", .string, ""), HookField("count", .integer, "", optional: true, range: 0...10),
        HookField("kind", .choice(["a", "b"]), "", optional: true), HookField("flag", .boolean, "", optional: true),
        HookField("inner", .object([HookField("x", .integer, "")]), "", optional: true),
        HookField("many", .list(.string), "", optional: true), HookField("named", .map(.integer), "", optional: true, range: 0...5),
    ]

    @Test(
        "every issue names its place and what is accepted",
        arguments: [
            (HookValue.object([("name", .string("n"))]), []),
            (.object([]), ["name: is missing; accepted is a text"]),
            (.object([("name", .null)]), ["name: is missing; accepted is a text"]),
            (.int(1), ["is a whole number; accepted is a table with name, count, kind, flag, inner, many, named"]),
            (.object([("name", .int(1))]), ["name: is 1; accepted is a text"]),
            (.object([("name", .string("n")), ("count", .int(11))]), ["count: is 11; accepted is a whole number, 0 … 10"]),
            (.object([("name", .string("n")), ("kind", .string("c"))]), ["kind: is \"c\"; accepted is one of \"a\", \"b\""]),
            (
                .object([("name", .string("n")), ("inner", .object([("y", .int(1))]))]),
                ["inner.y: is not a field here; accepted are: x", "inner.x: is missing; accepted is a whole number"]
            ),
            (.object([("name", .string("n")), ("many", .list([.string("a"), .int(2)]))]), ["many[2]: is 2; accepted is a text"]),
            (.object([("name", .string("n")), ("many", .object([]))]), []),
            (
                .object([("name", .string("n")), ("named", .object([("z", .int(9))]))]),
                ["named.z: is 9; accepted is a whole number, 0 … 5"]
            ),
        ] as [(HookValue, [String])])
    func issues(value: HookValue, expected: [String]) {
        #expect(HookCheck.issues(value, Self.fields).map(\.description) == expected)
        if case .object(let members) = value { #expect(HookCheck.fits(members, Self.fields) == expected.isEmpty) }
    }
}
