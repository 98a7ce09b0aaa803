import Logging
import Vocabulary
