import Vocabulary

package enum CatalogProblems {
    package static let unknownTier = Problem(
        "unknown_tier", status: 422, title: "There is no such tier.", hint: "GET /api/v1/plans lists what is offered.")
    package static let termsRefused = Problem(
        "terms_refused", status: 422, title: "The tier cannot be read under these terms.",
        hint: "complaints names each field and its rule; the fields are those of the table of tiers.")
    package static let contractOverlaps = Problem(
        "contract_overlaps", status: 409, title: "Another contract about this tier holds at that time.",
        hint: "Revise the contract that contract_id names, or let this one begin where that one ends.")
    package static let contractChanged = Problem(
        "contract_changed", status: 409, title: "Somebody else has revised the contract.",
        hint: "Read it anew and name its version.")
    package static let tooManyContracts = Problem(
        "too_many_contracts", status: 409, title: "There are too many contracts with this tenant.",
        hint: "Revise one that has ended.")
    package static let all = [unknownTier, termsRefused, contractOverlaps, contractChanged, tooManyContracts]
}
