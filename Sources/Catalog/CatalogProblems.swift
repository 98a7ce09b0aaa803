import Vocabulary

package enum CatalogProblems {
    package static let unknownTier = Problem(
        "unknown_tier", status: 422, title: "There is no such tier.", hint: "GET /api/v1/plans lists what is offered.")
    package static let all = [unknownTier]
}
