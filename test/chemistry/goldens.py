"""Bemis-Murcko scaffolds as RDKit's own Python gives them.

Run (rdkit 2022.09.3; apt-get install python3-rdkit):
  /usr/bin/python3 test/chemistry/goldens.py > test/chemistry/scaffolds.json
"""
import json
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

SMILES = """CC(=O)Oc1ccccc1C(=O)O
CC(C)Cc1ccc(cc1)C(C)C(=O)O
Cn1c(=O)c2c(ncn2C)n(C)c1=O
CN1CCC[C@H]1c1cccnc1
OC(=O)CCCCC
CCO
CC(=O)Nc1ccc(O)cc1
O=C(O)c1ccccc1
C1CCCCC1
C1CCC2(CC1)OCCO2
c1ccc(cc1)CCc1ccccc1
c1ccc(cc1)C(=O)c1ccccc1
O=C1NC(=O)c2ccccc12
CC1=CC(=O)c2ccccc2C1=O
O=S(=O)(Nc1ncccn1)c1ccc(N)cc1
CS(=O)c1ccccc1
C[N+](C)(C)CCOC(=O)C1CCCC1
[O-][N+](=O)c1ccc(cc1)N1CCOCC1
C[n+]1ccccc1
CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc12
CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O
OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O
CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O
C=C1CCCCC1
C=Cc1ccccc1
N#Cc1ccccc1
CC(=NO)c1ccccc1
O=C=Nc1ccccc1
c1ccc2[nH]ccc2c1
Cc1[nH]c2ccccc2c1CCN
Cn1ccc2ccccc12
Clc1ccc(cc1)C(c1ccc(Cl)cc1)C(Cl)(Cl)Cl
FC(F)(F)c1cccc(c1)N1CCNCC1
CCN(CC)CCNC(=O)c1ccc(N)cc1
C1CC1C1CC1
C1CC1CCC1CC1
O=C1CCC(=O)N1
S=c1[nH]cnc2[nH]cnc12
C[Si](C)(C)c1ccccc1
OB(O)c1ccccc1
[Na+].[O-]C(=O)c1ccccc1
CC(C)(C)OC(=O)N1CCC(CC1)Nc1ccccc1
CP(=O)(c1ccccc1)c1ccccc1
O=P(O)(O)OCC1OC(C(O)C1O)n1cnc2c(N)ncnc12
c1ccc(cc1)N=Nc1ccccc1
CN(C)N=Nc1ccccc1
C/C=C/c1ccccc1
c1ccsc1-c1cccs1
C1=CC2CC1C=C2
C1C2CC3CC1CC(C2)C3
NC12CC3CC(CC(C3)C1)C2
O=C1c2ccccc2C(=O)N1CCCCN1CCN(CC1)c1ncccn1
CC#CC1(O)CCC2C1(C)CCC1C2CCC2=CC(=O)CCC12
[nH]1cccc1
c1cc[nH+]cc1
"""

if __name__ == "__main__":
    scaffolds = {}
    for smiles in SMILES.split():
        core = MurckoScaffold.GetScaffoldForMol(Chem.MolFromSmiles(smiles))
        scaffolds[smiles] = Chem.MolToSmiles(core, isomericSmiles=False)
    print(json.dumps(scaffolds, indent=2))
