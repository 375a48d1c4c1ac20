import pathlib
import sys

# Whatever import mode pytest runs in, the helpers beside the tests are found.
sys.path.insert(0, str(pathlib.Path(__file__).parent))
