import CSQLite
import Store

/// Refuses a tenant's statement whose plan would walk over another tenant's rows: where the engine does not come to the rows by
/// `tenant_id`, an expression of the statement could be asked of a foreign row and answer by its error.
enum PlanCheck {
    /// `plan`: the details of EXPLAIN QUERY PLAN. Answers the first line that leaves the scope.
    static func trespass(_ plan: [String], _ catalogue: Catalogue) -> String? {
        plan.first { line in
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count >= 2, words[0] == "SCAN" || words[0] == "SEARCH" else { return false }
            let name = words[1].lowercased()
            guard catalogue.doors[name] != nil || catalogue.kernelTables.contains(name) else { return false }
            return words[0] == "SCAN" || !line.contains(" (tenant_id=?")
        }
    }
}
